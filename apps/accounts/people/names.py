"""Names of people, as lists order them and searches find them: without case, without accents."""

import unicodedata
from typing import Final

KEY_LENGTH: Final = 402
"""Characters of `name_key`; what folds to more is cut, since the rest orders nothing any more."""


def folded(text: str) -> str:
    """The text as it is compared: "Ångström" and "ANGSTROM" are one."""
    decomposed = unicodedata.normalize("NFKD", " ".join(text.casefold().split()))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))[:KEY_LENGTH]
