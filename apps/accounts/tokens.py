"""Access tokens: ES256 JWTs (RFC 9068, `at+jwt`) that say who is calling, never what they may.

A token names a person or a gateway for some minutes; rights are read from the database on each request. What is
pinned: the algorithm, the key (`kid` is its RFC 7638 thumbprint), the issuer (so that no other environment's token is
taken), the audience and the type.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from apps.common.access import PrincipalKind
from apps.common.ids import new_id

ALGORITHM = "ES256"
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
    """What a verified token says; times are seconds since 1970. `email` and `organizations` are a person's only."""

    iss: str
    aud: str
    sub: UUID
    kind: PrincipalKind
    jti: UUID
    iat: int
    exp: int
    email: str | None = None
    organizations: tuple[OrganizationClaim, ...] | None = None
    only: UUID | None = None
    """The organization whose identity provider vouched for the person; this token gives rights there alone."""


class SigningKey(msgspec.Struct, frozen=True):
    """The key that signs, and the name under which tokens point at it."""

    private: EllipticCurvePrivateKey
    kid: str


def mint(
    *,
    kind: PrincipalKind,
    subject: UUID,
    claims: Mapping[str, object],
    lifetime: timedelta,
    now: datetime | None = None,
) -> str:
    """A signed token for `subject`, with `claims` beside those that every token has."""
    issued = int((now or timezone.now()).timestamp())
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
    key = signing_key(settings.TOKEN_KEY_FILE)
    return jwt.encode(payload, key.private, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": key.kid})


def verify(token: str, *, kind: PrincipalKind | None = None, now: datetime | None = None) -> Claims:
    """The claims of a token that this environment signed and that has not expired.

    With `kind`, only such a token is taken. Raises TokenRefused.
    """
    claims = _authentic(token, settings.BASE_URL, settings.TOKEN_KEY_FILE)
    if claims.exp <= (now or timezone.now()).timestamp():
        raise TokenRefused("expired")
    if kind is not None and claims.kind is not kind:
        raise TokenRefused(f"a token of a {claims.kind}, where one of a {kind} is asked for")
    return claims


@lru_cache(maxsize=VERIFIED_TOKENS)
def _authentic(token: str, issuer: str, key_file: Path) -> Claims:
    """All checks but the clock's. Only what passed is remembered, since a refusal raises."""
    if len(token) > MAX_LENGTH:
        raise TokenRefused("too long")
    key = signing_key(key_file)
    try:
        parts = jwt.decode_complete(
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
        claims = msgspec.convert(parts["payload"], Claims)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise TokenRefused(str(error)) from error
    header = parts["header"]
    if header.get("typ") != TOKEN_TYPE or header.get("kid") != key.kid:
        raise TokenRefused("another type of token, or another key")
    if claims.kind is PrincipalKind.PERSON and (claims.email is None or claims.organizations is None):
        raise TokenRefused("a person's token without email or organizations")
    return claims


@cache
def signing_key(file: Path) -> SigningKey:
    """The P-256 key in this PEM file. Raises ImproperlyConfigured for any other key."""
    private = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(private, EllipticCurvePrivateKey) or not isinstance(private.curve, SECP256R1):
        raise ImproperlyConfigured(f"{file} holds no P-256 private key, which {ALGORITHM} needs.")
    return SigningKey(private=private, kid=thumbprint(private))


def thumbprint(private: EllipticCurvePrivateKey) -> str:
    """The JWK thumbprint of the public key (RFC 7638): SHA-256 over its required members in their fixed order."""
    numbers = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return base64url(sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
