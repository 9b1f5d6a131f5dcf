"""Second factors as django-allauth stores them (`mfa_authenticator`): TOTP, passkeys, recovery codes.

allauth provides the table, the algorithms (HOTP, codes derived from an encrypted seed) and the storage format of
passkeys. Its pages, its state and its record of used codes are not used: they live in Django's session, which an app
does not have, and in the cache for 30 seconds. Here time is an argument, the last TOTP step is stored with the secret
under a row lock, so that no code can be used twice, and python-fido2 verifies passkeys, as in allauth itself.
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
from apps.common.encryption import decrypt, encrypt

ISSUER: Final = "SafeSignal"
STEP_SECONDS: Final = 30
STEPS_AROUND: Final = 1
"""A phone's clock may be half a minute fast or slow."""
FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Types that count as a second factor; recovery codes only replace one of these."""

State = dict[str, Any]
"""State that python-fido2 needs to check the answer to a challenge."""


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Adapter for allauth that encrypts its secrets."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret for the database."""
        return encrypt(text, purpose="second_factor", now=timezone.now())

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a secret from the database. Raises CannotDecrypt if the key is missing."""
        return decrypt(encrypted_text, purpose="second_factor")

    def get_totp_issuer(self) -> str:
        """Return the issuer name that the authenticator app displays."""
        return ISSUER


class BadPasskey(Exception):
    """The passkey's response is not valid; the message gives the reason and is only for the log."""


def of_user(user: User, *, lock: bool = False) -> list[Any]:
    """Return all authenticators of a person, oldest first."""
    own = Authenticator.objects.filter(user_id=user.pk).order_by("pk")
    return list(own.select_for_update() if lock else own)


def totp_address(user: User, secret: str) -> str:
    """Return the `otpauth://…` URI for a QR code."""
    address: str = Adapter().build_totp_url(user, secret)
    return address


def totp_picture(address: str) -> str:
    """Return the QR code of such a URI as SVG."""
    picture: str = Adapter().build_totp_svg(address)
    return picture.partition("?>")[2] or picture


def totp_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step close to now that this code belongs to; None if the code is wrong."""
    current = int(now.timestamp()) // STEP_SECONDS
    for step in range(current - STEPS_AROUND, current + STEPS_AROUND + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            return step
    return None


def add_totp(user: User, secret: str, step: int) -> None:
    """Store a secret, encrypted. The step that confirmed it counts as used."""
    authenticator = TOTP.activate(user, secret).instance
    authenticator.data["last_step"] = step
    authenticator.save(update_fields=["data"])


def use_code(authenticators: list[Any], code: str, now: datetime) -> str | None:
    """Use a TOTP or recovery code of these locked authenticators; return its kind, or None if it is wrong."""
    for one in authenticators:
        if one.type == Authenticator.Type.TOTP:
            step = totp_step(Adapter().decrypt(one.data["secret"]), code, now)
            if step is not None and step > one.data["last_step"]:
                one.data["last_step"] = step
                _record_use(one, now)
                return "totp"
        elif one.type == Authenticator.Type.RECOVERY_CODES and RecoveryCodes(one).validate_code(code):
            one.refresh_from_db()
            _record_use(one, now)
            return "recovery_code"
    return None


def new_recovery_codes(user: User) -> list[str]:
    """Replace the recovery codes by new ones, and return these."""
    Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).delete()
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    return codes


def recovery_codes_left(authenticators: list[Any]) -> int:
    """Return the number of unused recovery codes."""
    return sum(
        len(RecoveryCodes(one).get_unused_codes())
        for one in authenticators
        if one.type == Authenticator.Type.RECOVERY_CODES
    )


def passkey_options(user: User) -> tuple[dict[str, object], State]:
    """Return the options for creating a passkey, and the state needed to check the result."""
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user.pk.bytes, name=user.email, display_name=user.full_name),
        credentials=_credentials(of_user(user)),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return _json(options), state


def add_passkey(user: User, name: str, state: State, credential: dict[str, Any]) -> Any:
    """Store a passkey that answers the challenge. Raises BadPasskey."""
    try:
        data = _server().register_complete(state, credential)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPasskey(str(error)) from error
    if data.credential_data is None or data.credential_data.credential_id in {
        known.credential_id for known in _credentials(of_user(user))
    }:
        raise BadPasskey("registered already, or without credential data")
    one = WebAuthn.add(user, name, credential).instance
    one.data["sign_count"] = data.counter
    one.save(update_fields=["data"])
    return one


def challenge(authenticators: list[Any]) -> tuple[dict[str, object], State] | None:
    """Return request options for the person's passkeys and the state to check the answer; None without passkeys."""
    credentials = _credentials(authenticators)
    if not credentials:
        return None
    options, state = _server().authenticate_begin(credentials, user_verification=UserVerificationRequirement.PREFERRED)
    return _json(options), state


def use_passkey(authenticators: list[Any], state: State, response: dict[str, Any], now: datetime) -> None:
    """Check the signature of a passkey of these locked authenticators. Raises BadPasskey, also for a copied passkey."""
    try:
        found = _server().authenticate_complete(state, _credentials(authenticators), response)
        counter = AuthenticationResponse.from_dict(response).response.authenticator_data.counter
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPasskey(str(error)) from error
    one = next(one for one in authenticators if _is(one, found.credential_id))
    before = one.data["sign_count"]
    if (counter or before) and counter <= before:
        raise BadPasskey("its signature counter decreased")
    one.data["sign_count"] = counter
    _record_use(one, now)


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
    """Return the options in the format of `PublicKeyCredential.parse…OptionsFromJSON()`."""
    document: dict[str, object] = json.loads(json.dumps(dict(options)["publicKey"]))
    return document


def _record_use(authenticator: Any, now: datetime) -> None:
    authenticator.last_used_at = now
    authenticator.save(update_fields=["data", "last_used_at"])
