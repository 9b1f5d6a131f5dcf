"""One-time secrets: stored as digests, and sent in the fragment of links, which browsers never send to a server."""

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
"""Crockford's base 32: no characters that are confused when read aloud or from paper."""
CODE_LENGTH: Final = 12
"""60 bits: too many to guess in the days for which such a code is valid."""
_READ_AS: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})


class LinkRefused(Invalid):
    """The secret of a link or a code is unknown, used, withdrawn or expired; the response does not say which."""

    code = "link_refused"
    default_detail = "This link is not valid (any more): ask for a new one."

    def __init__(self, field: str = "token") -> None:
        super().__init__(errors={field: ["Unknown, used, withdrawn or expired."]})


def new_secret() -> str:
    """Return 256 random bits for a link."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """Return a secret that a person can type: `XXXX-XXXX-XXXX`."""
    characters = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(characters[start : start + 4] for start in range(0, CODE_LENGTH, 4))


def digest_of(secret: str) -> bytes:
    """Return the stored digest of a secret. SHA-256 is enough for a secret that cannot be guessed."""
    return sha256(secret.encode()).digest()


def digest_of_code(code: str) -> bytes:
    """Return the digest of a typed code: in any case, with or without dashes, O read as 0, I and L as 1."""
    return digest_of(code.upper().translate(_READ_AS))


def link(page: str, secret: str) -> str:
    """Return the URL of a page with a secret in its fragment."""
    return f"{settings.BASE_URL}/{page}/#{secret}"
