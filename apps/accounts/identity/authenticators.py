"""Second factors as django-allauth keeps them (`mfa_authenticator`): TOTP, passkeys, recovery codes.

Taken from allauth: the table, the algorithms (HOTP, codes derived from a sealed seed) and how passkeys are stored. Not
its pages, states and marks of use: those live in Django's session, which an app has not, and for 30 seconds in the
cache. Here time is an argument, the last TOTP step is kept with the secret under a row lock, so that no code counts
twice, and passkeys are checked by python-fido2, as allauth itself does.
"""

import json
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.mfa.webauthn.internal.auth import WebAuthn
from django.conf import settings
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from apps.accounts.models import User
from apps.common.encryption import seal, unseal

ISSUER: Final = "SafeSignal"
STEP_SECONDS: Final = 30
STEPS_AROUND: Final = 1
"""A phone's clock may be half a minute off, either way."""
FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What makes an account one with a second factor; recovery codes only stand in for these."""

State = dict[str, Any]
"""What python-fido2 wants back of a challenge."""


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Where allauth asks us: its secrets are sealed."""

    def encrypt(self, text: str) -> str:
        """For the database."""
        return seal(text, purpose="second_factor", now=timezone.now())

    def decrypt(self, encrypted_text: str) -> str:
        """From the database. Raises NotSealed when the key is gone."""
        return unseal(encrypted_text, purpose="second_factor")

    def get_totp_issuer(self) -> str:
        """Whose code it is, as the authenticator app shows it."""
        return ISSUER


class BadPasskey(Exception):
    """The passkey's answer proves nothing; the message says why, for the log alone."""


def of_user(user: User, *, lock: bool = False) -> list[Any]:
    """All authenticators of a person, the oldest first."""
    own = Authenticator.objects.filter(user_id=user.pk).order_by("pk")
    return list(own.select_for_update() if lock else own)


def totp_address(user: User, secret: str) -> str:
    """`otpauth://…`, for a QR code."""
    address: str = Adapter().build_totp_url(user, secret)
    return address


def totp_picture(address: str) -> str:
    """The QR code of such an address, as SVG."""
    picture: str = Adapter().build_totp_svg(address)
    return picture.partition("?>")[2] or picture


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, near to now; None: a wrong code."""
    current = int(now.timestamp()) // STEP_SECONDS
    for step in range(current - STEPS_AROUND, current + STEPS_AROUND + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            return step
    return None


def add_totp(user: User, secret: str, step: int) -> None:
    """Keep a secret, sealed. The step that confirmed it is used up."""
    authenticator = TOTP.activate(user, secret).instance
    authenticator.data["last_step"] = step
    authenticator.save(update_fields=["data"])


def use_code(authenticators: list[Any], code: str, now: datetime) -> str | None:
    """Use up a TOTP or recovery code of these locked authenticators: which kind it was; None: a wrong code."""
    for one in authenticators:
        if one.type == Authenticator.Type.TOTP:
            step = totp_step(Adapter().decrypt(one.data["secret"]), code, now)
            if step is not None and step > one.data["last_step"]:
                one.data["last_step"] = step
                _used(one, now)
                return "totp"
        elif one.type == Authenticator.Type.RECOVERY_CODES and RecoveryCodes(one).validate_code(code):
            one.refresh_from_db()
            _used(one, now)
            return "recovery_code"
    return None


def new_recovery_codes(user: User) -> list[str]:
    """New ones in place of those before."""
    Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).delete()
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    return codes


def recovery_codes_left(authenticators: list[Any]) -> int:
    """How many may still be used."""
    return sum(
        len(RecoveryCodes(one).get_unused_codes())
        for one in authenticators
        if one.type == Authenticator.Type.RECOVERY_CODES
    )


def passkey_options(user: User) -> tuple[dict[str, object], State]:
    """What a browser or phone needs to make a passkey, and what must be kept to check it."""
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user.pk.bytes, name=user.email, display_name=user.full_name),
        credentials=_credentials(of_user(user)),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return _json(options), state


def add_passkey(user: User, name: str, state: State, credential: dict[str, Any]) -> Any:
    """Keep a passkey that answers the challenge. Raises BadPasskey."""
    try:
        data = _server().register_complete(state, credential)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPasskey(str(error)) from error
    if data.credential_data is None or data.credential_data.credential_id in {
        known.credential_id for known in _credentials(of_user(user))
    }:
        raise BadPasskey("there already, or none at all")
    one = WebAuthn.add(user, name, credential).instance
    one.data["sign_count"] = data.counter
    one.save(update_fields=["data"])
    return one


def challenge(authenticators: list[Any]) -> tuple[dict[str, object], State] | None:
    """What the person's passkeys are to sign, and what must be kept to check it; None: there is no passkey."""
    credentials = _credentials(authenticators)
    if not credentials:
        return None
    options, state = _server().authenticate_begin(credentials, user_verification=UserVerificationRequirement.PREFERRED)
    return _json(options), state


def use_passkey(authenticators: list[Any], state: State, response: dict[str, Any], now: datetime) -> None:
    """Check what a passkey of these locked authenticators signed. Raises BadPasskey, also for one that was copied."""
    try:
        found = _server().authenticate_complete(state, _credentials(authenticators), response)
        counter = AuthenticationResponse.from_dict(response).response.authenticator_data.counter
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPasskey(str(error)) from error
    one = next(one for one in authenticators if _is(one, found.credential_id))
    before = one.data["sign_count"]
    if (counter or before) and counter <= before:
        raise BadPasskey("its counter went back")
    one.data["sign_count"] = counter
    _used(one, now)


def _is(authenticator: Any, credential_id: bytes) -> bool:
    return any(one.credential_id == credential_id for one in _credentials([authenticator]))


def _credentials(authenticators: list[Any]) -> list[AttestedCredentialData]:
    kept = (WebAuthn(one).authenticator_data for one in authenticators if one.type == Authenticator.Type.WEBAUTHN)
    return [data.credential_data for data in kept if data.credential_data is not None]


def _server() -> Fido2Server:
    host = urlsplit(settings.BASE_URL).hostname
    return Fido2Server(
        PublicKeyCredentialRpEntity(name=ISSUER, id=host),
        verify_origin=lambda origin: origin in settings.PASSKEY_ORIGINS,
    )


def _json(options: Any) -> dict[str, object]:
    """The options as `PublicKeyCredential.parse…OptionsFromJSON()` reads them."""
    document: dict[str, object] = json.loads(json.dumps(dict(options)["publicKey"]))
    return document


def _used(authenticator: Any, now: datetime) -> None:
    authenticator.last_used_at = now
    authenticator.save(update_fields=["data", "last_used_at"])
