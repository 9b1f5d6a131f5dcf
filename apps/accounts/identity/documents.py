"""Response documents of sign-ins and second factors."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from apps.accounts.models import SignIn
from apps.common.times import optional_rfc3339, rfc3339


class TotpDocument(msgspec.Struct, frozen=True):
    """An authenticator app that has been set up."""

    created_at: str
    last_used_at: str | None


class PasskeyDocument(msgspec.Struct, frozen=True):
    """A passkey, with the name that its owner gave it."""

    id: int
    name: str
    created_at: str
    last_used_at: str | None


class SecondFactorsDocument(msgspec.Struct, frozen=True):
    """A person's second factors; `required_by` lists organizations that require one while the person has none."""

    totp: TotpDocument | None
    passkeys: Sequence[PasskeyDocument]
    recovery_codes_left: int
    required_by: Sequence[UUID]


def passkey_document(authenticator: Any) -> PasskeyDocument:
    """Build the document of a passkey from allauth's authenticator."""
    return PasskeyDocument(
        id=authenticator.pk,
        name=authenticator.data["name"],
        created_at=rfc3339(authenticator.created_at),
        last_used_at=optional_rfc3339(authenticator.last_used_at),
    )


def totp_document(authenticator: Any) -> TotpDocument:
    """Build the document of an authenticator app from allauth's authenticator."""
    return TotpDocument(
        created_at=rfc3339(authenticator.created_at), last_used_at=optional_rfc3339(authenticator.last_used_at)
    )


class SessionDocument(msgspec.Struct, frozen=True):
    """One of the caller's sign-ins. `used_at` is accurate to ten minutes; `current` marks this request's sign-in."""

    id: UUID
    kind: str
    device: str
    address: str | None
    created_at: str
    used_at: str
    expires_at: str
    current: bool


def session_document(sign_in: SignIn, *, current: UUID | None) -> SessionDocument:
    """Build the document of a sign-in for its owner."""
    return SessionDocument(
        id=sign_in.id,
        kind=sign_in.kind,
        device=sign_in.device,
        address=sign_in.address,
        created_at=rfc3339(sign_in.created_at),
        used_at=rfc3339(sign_in.used_at),
        expires_at=rfc3339(sign_in.expires_at),
        current=sign_in.id == current,
    )
