"""simplejwt's token backend on the key ring: signing tokens, and the checks when a token is read.

The algorithm, the key (`kid` is the RFC 7638 thumbprint of a key in the ring), the issuer (so that tokens of other
environments are rejected), the audience and the type are fixed.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import jwt
from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from apps.accounts.identity.keys.key_ring import KeyRing, key_ring
from apps.accounts.identity.keys.signing_keys import ALGORITHM, SigningKey

TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 (the type of a token is no secret)
AUDIENCE: Final = "safesignal"
MAX_LENGTH: Final = 8 * 1024
"""Characters; a longer token is rejected unread."""
VERIFIED_TOKENS: Final = 8192
"""Number of verified tokens that a process caches, so that each signature is checked only once."""


class KeyRingBackend(TokenBackend):
    """Token backend with the keys of one moment. The token class checks the times in the claims."""

    def __init__(self, at: datetime) -> None:
        super().__init__(ALGORITHM, audience=AUDIENCE, issuer=settings.BASE_URL)
        self._ring = key_ring()
        self._at = at

    def encode(self, payload: dict[str, Any]) -> str:
        """Return the signed token, with issuer and audience."""
        key = self._ring.signing(self._at)
        return jwt.encode(
            {**payload, "iss": self.issuer, "aud": self.audience},
            key.private,
            algorithm=self.algorithm,
            headers={"typ": TOKEN_TYPE, "kid": key.kid},
        )

    def decode(self, token: str, verify: bool = True) -> dict[str, Any]:  # type: ignore[override]
        """Return the claims of a token of this environment, always verified. Raises TokenBackendError."""
        key, payload = _authentic(token, self.issuer, self._ring)
        if key not in self._ring.verifying(self._at):
            raise TokenBackendError("signed with an expired key")
        return payload.copy()


@lru_cache(maxsize=VERIFIED_TOKENS)
def _authentic(token: str, issuer: str | None, ring: KeyRing) -> tuple[SigningKey, dict[str, Any]]:
    """Return the signing key and the claims. Only valid tokens are cached, since a refusal raises."""
    if len(token) > MAX_LENGTH:
        raise TokenBackendError("too long")
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        key = ring.by_kid(kid) if isinstance(kid, str) else None
        if key is None or header.get("typ") != TOKEN_TYPE:
            raise TokenBackendError("wrong type of token, or unknown key")
        payload = jwt.decode(
            token,
            key.private.public_key(),
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=AUDIENCE,
            options={
                "require": ["iss", "aud", "sub", "jti", "iat", "exp"],
                "strict_aud": True,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise TokenBackendError(str(error)) from error
    return key, payload
