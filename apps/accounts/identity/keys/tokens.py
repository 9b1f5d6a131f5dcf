"""Access tokens: ES256 JWTs (RFC 9068, `at+jwt`) that identify the caller and carry no permissions.

A token identifies a person or a gateway for some minutes; permissions are read from the database on each request.
A token that is malformed, foreign, of another kind or expired raises simplejwt's TokenError, whose message is only for
the log.
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


class OrganizationClaim(msgspec.Struct, frozen=True):
    """An organization that the person belonged to when the token was issued."""

    id: UUID
    role: str


class Claims(msgspec.Struct, frozen=True):
    """Claims of a verified token; times are seconds since 1970.

    Only tokens of people have `sid` (the sign-in), `email` and `organizations`.
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
        """Raise ValueError, which msgspec turns into a ValidationError."""
        if self.kind is PrincipalKind.PERSON and None in (self.sid, self.email, self.organizations):
            raise ValueError("a person's token without sid, email or organizations")


class PrincipalToken(UntypedToken):
    """An access token at one moment. Untyped for the library: the code that verifies it checks the kind of caller."""

    claims: Claims
    """Claims of a token that was read."""

    def __init__(self, token: str | None = None, verify: bool = True, *, now: datetime | None = None) -> None:
        self._now = now or timezone.now()
        super().__init__(token, verify)  # type: ignore[arg-type]  # the library's annotation is narrower than its use

    @property
    def current_time(self) -> datetime:
        """Return the time at which the token is issued or read; the library cannot override it."""
        return self._now

    @current_time.setter
    def current_time(self, _clock: datetime) -> None: ...

    @cached_property
    def token_backend(self) -> KeyRingBackend:
        """Return the backend with the keys of that time."""
        return KeyRingBackend(self.current_time)

    def set_jti(self) -> None:
        """Set a UUIDv7 as the token's id."""
        self["jti"] = str(new_id())

    def verify(self) -> None:
        """Read the claims and check their times. Raises TokenError."""
        try:
            self.claims = msgspec.convert(self.payload, Claims)
            super().verify()
        except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:  # also an `exp` out of range
            raise TokenError(str(error)) from error


def mint(
    *,
    kind: PrincipalKind,
    subject: UUID,
    claims: Mapping[str, object],
    lifetime: timedelta,
    now: datetime | None = None,
) -> str:
    """Return a signed token for `subject`, with `claims` in addition to those of every token."""
    token = PrincipalToken(now=now)
    expires = token["iat"] + int(lifetime.total_seconds())
    token.payload = {**claims, **token.payload, "kind": kind, "sub": str(subject), "exp": expires}
    return str(token)


def verify(token: str, *, kind: PrincipalKind | None = None, now: datetime | None = None) -> Claims:
    """Return the claims of a token that this environment signed and that has not expired.

    With `kind`, tokens of other kinds are rejected. Raises TokenError.
    """
    claims = PrincipalToken(token, now=now).claims
    if kind is not None and claims.kind is not kind:
        raise TokenError(f"a token of a {claims.kind}, but one of a {kind} is required")
    return claims
