"""Folding of names for ordering and searching: without case, without accents."""

import unicodedata
from typing import Final

KEY_LENGTH: Final = 402
"""Length of `name_key`; longer values are cut, since the rest does not affect the order."""


def folded(text: str) -> str:
    """Return the text for comparison: "Ångström" and "ANGSTROM" are equal."""
    decomposed = unicodedata.normalize("NFKD", " ".join(text.casefold().split()))
    return "".join(char for char in decomposed if not unicodedata.combining(char))[:KEY_LENGTH]
