"""Sign-ins and second factors as responses carry them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from apps.accounts.models import SignIn
from apps.common.times import optional_rfc3339, rfc3339


class TotpDocument(msgspec.Struct, frozen=True):
    """An authenticator app that is set up."""

    created_at: str
    last_used_at: str | None


class PasskeyDocument(msgspec.Struct, frozen=True):
    """A passkey, by the name that its owner gave it."""

    id: int
    name: str
    created_at: str
    last_used_at: str | None


class SecondFactorsDocument(msgspec.Struct, frozen=True):
    """What a person can show beside their password; `required_by` are organizations that ask for it in vain so far."""

    totp: TotpDocument | None
    passkeys: Sequence[PasskeyDocument]
    recovery_codes_left: int
    required_by: Sequence[UUID]


def passkey_document(authenticator: Any) -> PasskeyDocument:
    """A passkey, from allauth's authenticator."""
    return PasskeyDocument(
        id=authenticator.pk,
        name=authenticator.data["name"],
        created_at=rfc3339(authenticator.created_at),
        last_used_at=optional_rfc3339(authenticator.last_used_at),
    )


def totp_document(authenticator: Any) -> TotpDocument:
    """An authenticator app, from allauth's authenticator."""
    return TotpDocument(
        created_at=rfc3339(authenticator.created_at), last_used_at=optional_rfc3339(authenticator.last_used_at)
    )


class SessionDocument(msgspec.Struct, frozen=True):
    """One sign-in of the caller's own. `used_at` is right to within ten minutes; `current`: the one that asks."""

    id: UUID
    kind: str
    device: str
    address: str | None
    created_at: str
    used_at: str
    expires_at: str
    current: bool


def session_document(sign_in: SignIn, *, current: UUID | None) -> SessionDocument:
    """A sign-in, as its owner is told of it."""
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
