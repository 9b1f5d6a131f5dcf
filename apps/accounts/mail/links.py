"""Secrets that are given out once: kept as digests, carried by links in the fragment, which no server is ever sent."""

import secrets
from hashlib import sha256
from typing import Final

from django.conf import settings

from apps.common.problems import Invalid

JOIN: Final = "join"
CONFIRM_EMAIL: Final = "confirm-email"
RESET_PASSWORD: Final = "reset-password"  # noqa: S105 (the name of a page)
DAY: Final = "day"

CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: read aloud or from paper, nothing in it is taken for something else."""
CODE_LENGTH: Final = 12
"""60 bits: more than anybody guesses in the days that such a code lives."""
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


class LinkRefused(Invalid):
    """The secret of a link, or a code: unknown, used, withdrawn or expired; which of these is not told."""

    code = "link_refused"
    default_detail = "This link is not valid (any more): ask for a new one."

    def __init__(self, field: str = "token") -> None:
        super().__init__(errors={field: ["Unknown, used, withdrawn or expired."]})


def new_secret() -> str:
    """256 random bits for a link."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """A secret that a person can type: `XXXX-XXXX-XXXX`."""
    letters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(letters[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def digest_of(secret: str) -> bytes:
    """What is kept of a secret. SHA-256 is enough for what nobody can guess."""
    return sha256(secret.encode()).digest()


def digest_of_code(code: str) -> bytes:
    """The digest of a typed code: in any case, with or without dashes, O read as 0, I and L as 1."""
    return digest_of(code.upper().translate(_READ_AS))


def link(page: str, secret: str) -> str:
    """The address of a page that is to do something with a secret."""
    return f"{settings.BASE_URL}/{page}/#{secret}"
