"""Access tokens: ES256 JWTs (RFC 9068, `at+jwt`) that say who is calling, never what they may.

A token names a person or a gateway for some minutes; rights are read from the database on each request. What is
pinned: the algorithm, the key (`kid` is the RFC 7638 thumbprint of one in the ring), the issuer (so that no other
environment's token is taken), the audience and the type.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt
import msgspec
from django.conf import settings
from django.utils import timezone

from apps.accounts.identity.keys.key_ring import KeyRing, key_ring
from apps.accounts.identity.keys.signing_keys import ALGORITHM, SigningKey
from apps.common.access import PrincipalKind
from apps.common.db.ids import new_id

TOKEN_TYPE = "at+jwt"  # noqa: S105 (the type of a token is no secret)
AUDIENCE = "safesignal"
MAX_LENGTH = 8 * 1024
"""Characters; what is longer is refused unread."""
VERIFIED_TOKENS = 8192
"""How many verified tokens a process remembers, so that each is checked with the key only once."""


class TokenRefused(Exception):
    """The token is malformed, foreign, of another kind or expired; the message says which, for the log alone."""


class OrganizationClaim(msgspec.Struct, frozen=True):
    """An organization that the person belonged to when the token was made."""

    id: UUID
    role: str


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says; times are seconds since 1970.

    `sid` (the sign-in), `email` and `organizations` are a person's only.
    """

    iss: str
    aud: str
    sub: UUID
    kind: PrincipalKind
    jti: UUID
    iat: int
    exp: int
    sid: UUID | None = None
    email: str | None = None
    organizations: tuple[OrganizationClaim, ...] | None = None


def mint(
    *,
    kind: PrincipalKind,
    subject: UUID,
    claims: Mapping[str, object],
    lifetime: timedelta,
    now: datetime | None = None,
) -> str:
    """A signed token for `subject`, with `claims` beside those that every token has."""
    now = now or timezone.now()
    issued = int(now.timestamp())
    payload = {
        **claims,
        "iss": settings.BASE_URL,
        "aud": AUDIENCE,
        "sub": str(subject),
        "kind": kind,
        "jti": str(new_id()),
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
    }
    key = key_ring().signing(now)
    return jwt.encode(payload, key.private, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": key.kid})


def verify(token: str, *, kind: PrincipalKind | None = None, now: datetime | None = None) -> Claims:
    """The claims of a token that this environment signed and that has not expired.

    With `kind`, only such a token is taken. Raises TokenRefused.
    """
    now = now or timezone.now()
    ring = key_ring()
    key, claims = _authentic(token, settings.BASE_URL, ring)
    if key not in ring.verifying(now):
        raise TokenRefused("signed with a key whose time is over")
    if claims.exp <= now.timestamp():
        raise TokenRefused("expired")
    if kind is not None and claims.kind is not kind:
        raise TokenRefused(f"a token of a {claims.kind}, where one of a {kind} is asked for")
    return claims


@lru_cache(maxsize=VERIFIED_TOKENS)
def _authentic(token: str, issuer: str, ring: KeyRing) -> tuple[SigningKey, Claims]:
    """All checks but the clock's, and the key that signed. Only what passed is remembered, since a refusal raises."""
    if len(token) > MAX_LENGTH:
        raise TokenRefused("too long")
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        key = ring.by_kid(kid) if isinstance(kid, str) else None
        if key is None or header.get("typ") != TOKEN_TYPE:
            raise TokenRefused("another type of token, or another key")
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
        claims = msgspec.convert(payload, Claims)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise TokenRefused(str(error)) from error
    if claims.kind is PrincipalKind.PERSON and None in (claims.sid, claims.email, claims.organizations):
        raise TokenRefused("a person's token without sid, email or organizations")
    return key, claims
