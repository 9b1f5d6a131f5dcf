"""Response documents of sign-ins, second factors and keys."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.accounts.identity.examples import ACCESS, CODES, OPTIONS, PASSKEY, REFRESH, SEALED
from apps.accounts.identity.keys.signing_keys import Jwk
from apps.accounts.models import SignIn, SignInKind
from apps.common.openapi.examples import openapi_example
from apps.common.openapi.members import Timestamp, one_of
from apps.common.times import optional_rfc3339, rfc3339


class TotpDocument(msgspec.Struct, frozen=True):
    """An authenticator app that has been set up."""

    created_at: Timestamp
    last_used_at: Timestamp | None


class PasskeyDocument(msgspec.Struct, frozen=True):
    """A passkey."""

    id: int
    name: str
    created_at: Timestamp
    last_used_at: Timestamp | None


@openapi_example(
    response={
        "totp": {"created_at": "2026-09-01T08:15:03.120Z", "last_used_at": "2026-09-02T06:58:41.007Z"},
        "passkeys": [PASSKEY],
        "recovery_codes_left": 10,
        "required_by": [],
    }
)
class SecondFactorsDocument(msgspec.Struct, frozen=True):
    """The second factors of an account."""

    totp: TotpDocument | None
    passkeys: Sequence[PasskeyDocument]
    recovery_codes_left: int
    required_by: Annotated[
        Sequence[UUID],
        Meta(description="Organizations that withhold the administrator's role until a second factor is set up."),
    ]


@openapi_example(response={"confirmation": SEALED, "expires_in": 600})
class ConfirmationDocument(msgspec.Struct, frozen=True):
    """Confirmation that the password was correct."""

    confirmation: Annotated[str, Meta(description="Send it as `X-Confirmation`.")]
    expires_in: Annotated[int, Meta(description="Seconds.")]


@openapi_example(
    response={
        "enrolment": SEALED,
        "secret": "JBSWY3DPEHPK3PXP",
        "address": "otpauth://totp/maria.sanchez%40school.example?secret=JBSWY3DPEHPK3PXP&issuer=SafeSignal",
    }
)
class EnrolmentDocument(msgspec.Struct, frozen=True):
    """A new authenticator app."""

    enrolment: Annotated[str, Meta(description="Send it back with a code.")]
    secret: Annotated[str, Meta(description="Base32, for typing.")]
    address: Annotated[str, Meta(description="`otpauth://…`, for a QR code.")]


@openapi_example(response={"enrolment": SEALED, "options": OPTIONS})
class PasskeyOptionsDocument(msgspec.Struct, frozen=True):
    """Options for creating a passkey."""

    enrolment: Annotated[str, Meta(description="Send it back with the credential.")]
    options: Annotated[
        Mapping[str, object], Meta(description="For `PublicKeyCredential.parseCreationOptionsFromJSON()`.")
    ]


RecoveryCodes = Annotated[Sequence[str], Meta(description="Empty: earlier codes stay valid.")]


@openapi_example(response={"recovery_codes": CODES})
class RecoveryCodesDocument(msgspec.Struct, frozen=True):
    """Recovery codes, returned only once."""

    recovery_codes: RecoveryCodes


@openapi_example(response={"recovery_codes": CODES, "passkey": PASSKEY})
class NewPasskeyDocument(msgspec.Struct, frozen=True):
    """A passkey that was added."""

    passkey: PasskeyDocument
    recovery_codes: RecoveryCodes


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


@openapi_example(response={"access": ACCESS, "refresh": REFRESH, "expires_in": 900})
class TokenPairDocument(msgspec.Struct, frozen=True):
    """Response of login and refresh."""

    access: Annotated[str, Meta(description="ES256 JWT; send it as `Authorization: Bearer <access>`.")]
    refresh: Annotated[str, Meta(description="Valid for one use at /auth/refresh.")]
    expires_in: Annotated[int, Meta(description="Lifetime of `access` in seconds.")]


class JwkSetDocument(msgspec.Struct, frozen=True):
    """The public keys of access tokens (RFC 7517, 5)."""

    keys: Sequence[Jwk]


class SessionDocument(msgspec.Struct, frozen=True):
    """One of the caller's own sign-ins."""

    id: UUID
    kind: Annotated[str, one_of(SignInKind.choices)]
    device: Annotated[str, Meta(description="Recognizable name, e.g. `Firefox on Windows`.")]
    address: Annotated[str | None, Meta(description="IP address of the last use.")]
    created_at: Timestamp
    used_at: Annotated[Timestamp, Meta(description="Accurate to ten minutes.")]
    expires_at: Timestamp
    current: Annotated[bool, Meta(description="Whether this is the sign-in of the request.")]


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
