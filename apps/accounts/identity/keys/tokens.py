"""Access tokens: ES256 JWTs (RFC 9068, `at+jwt`) that say who is calling, never what they may.

A token names a person or a gateway for some minutes; rights are read from the database on each request.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID

import msgspec
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import UntypedToken

from apps.accounts.identity.keys.backend import KeyRingBackend
from apps.common.access import PrincipalKind
from apps.common.db.ids import new_id

TokenRefused = TokenError
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

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec makes a ValidationError."""
        if self.kind is PrincipalKind.PERSON and None in (self.sid, self.email, self.organizations):
            raise ValueError("a person's token without sid, email or organizations")


class PrincipalToken(UntypedToken):
    """An access token at one moment. To the library it is untyped: whoever takes it says which kinds of caller may."""

    claims: Claims
    """What a token that was read says."""

    def __init__(self, token: str | None = None, verify: bool = True, *, now: datetime | None = None) -> None:
        self._now = now or timezone.now()
        super().__init__(token, verify)  # type: ignore[arg-type]  # the library's annotation is narrower than its use

    @property
    def current_time(self) -> datetime:
        """The moment that the token is made or read at, whatever the library sets."""
        return self._now

    @current_time.setter
    def current_time(self, _clock: datetime) -> None: ...

    @cached_property
    def token_backend(self) -> KeyRingBackend:
        """The keys of that moment."""
        return KeyRingBackend(self.current_time)

    def set_jti(self) -> None:
        """Name the token by a UUIDv7."""
        self["jti"] = str(new_id())

    def verify(self) -> None:
        """Read the claims and check their times. Raises TokenRefused."""
        try:
            self.claims = msgspec.convert(self.payload, Claims)
            super().verify()
        except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:  # also an `exp` in no calendar
            raise TokenRefused(str(error)) from error


def mint(
    *,
    kind: PrincipalKind,
    subject: UUID,
    claims: Mapping[str, object],
    lifetime: timedelta,
    now: datetime | None = None,
) -> str:
    """A signed token for `subject`, with `claims` beside those that every token has."""
    token = PrincipalToken(now=now)
    expires = token["iat"] + int(lifetime.total_seconds())
    token.payload = {**claims, **token.payload, "kind": kind, "sub": str(subject), "exp": expires}
    return str(token)


def verify(token: str, *, kind: PrincipalKind | None = None, now: datetime | None = None) -> Claims:
    """The claims of a token that this environment signed and that has not expired.

    With `kind`, only such a token is taken. Raises TokenRefused.
    """
    claims = PrincipalToken(token, now=now).claims
    if kind is not None and claims.kind is not kind:
        raise TokenRefused(f"a token of a {claims.kind}, where one of a {kind} is asked for")
    return claims
