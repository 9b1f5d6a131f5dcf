"""Bodies of /api/v1/me/mfa and of a sign-in's second step."""

from typing import Any, Final

from rest_framework import serializers

from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example

SECRET: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"  # noqa: S105 (an example)
SEALED: Final = "gAAAAABqFiLkc2VhbGVkIGZvciBvdXJzZWx2ZXM="
CODES: Final = ["0482915530", "7719204486"]
PASSKEY: Final = {
    "id": 7,
    "name": "Phone",
    "created_at": "2026-09-01T08:15:03.120Z",
    "last_used_at": None,
}
CREDENTIAL: Final = {
    "id": "c2Vlbi1ieS1ub2JvZHk",
    "rawId": "c2Vlbi1ieS1ub2JvZHk",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": {"clientDataJSON": "e30", "attestationObject": "o2NmbXQ"},
}
OPTIONS: Final = {
    "rp": {"id": "safesignal.example", "name": "SafeSignal"},
    "user": {"id": "AZRB", "name": "maria.sanchez@school.example", "displayName": "Maria Sanchez"},
    "challenge": "bm90aGluZyB0d2ljZQ",
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
}
SECRET_LENGTH = 4096
"""Maximum length of values that this service encrypted."""


@openapi_example(request={"challenge": SECRET, "code": "492039"})
class SecondFactorSerializer(StrictSerializer):
    """The second step: one of `code` and `passkey`."""

    challenge = serializers.CharField(max_length=200, help_text="From `second_factor_required`.")
    code = serializers.CharField(
        max_length=32, required=False, help_text="A code of the authenticator app, or a recovery code."
    )
    passkey = serializers.JSONField(
        required=False, help_text="`PublicKeyCredential.toJSON()` of `navigator.credentials.get` with its `passkey`."
    )

    def validate_passkey(self, value: object) -> dict[str, Any]:
        """Require an object."""
        return _object(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require exactly one of the two."""
        if ("code" in attrs) == ("passkey" in attrs):
            raise serializers.ValidationError({"code": ["Send either `code` or `passkey`."]})
        return attrs


@openapi_example(request={"password": "correct horse battery staple"})
class ConfirmSerializer(StrictSerializer):
    """The account's password."""

    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


@openapi_example(response={"confirmation": SEALED, "expires_in": 600})
class ConfirmationSerializer(serializers.Serializer[Any]):
    """Confirmation that the password was correct."""

    confirmation = serializers.CharField(help_text="Send it as `X-Confirmation`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class TotpSerializer(serializers.Serializer[Any]):
    """An authenticator app that has been set up."""

    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class PasskeySerializer(serializers.Serializer[Any]):
    """A passkey."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


@openapi_example(
    response={
        "totp": {"created_at": "2026-09-01T08:15:03.120Z", "last_used_at": "2026-09-02T06:58:41.007Z"},
        "passkeys": [PASSKEY],
        "recovery_codes_left": 10,
        "required_by": [],
    }
)
class SecondFactorsSerializer(serializers.Serializer[Any]):
    """The second factors of an account."""

    totp = TotpSerializer(allow_null=True)
    passkeys = PasskeySerializer(many=True)
    recovery_codes_left = serializers.IntegerField()
    required_by = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Organizations that withhold the administrator's role until a second factor is set up.",
    )


@openapi_example(
    response={
        "enrolment": SEALED,
        "secret": "JBSWY3DPEHPK3PXP",
        "address": "otpauth://totp/maria.sanchez%40school.example?secret=JBSWY3DPEHPK3PXP&issuer=SafeSignal",
    }
)
class EnrolmentSerializer(serializers.Serializer[Any]):
    """A new authenticator app."""

    enrolment = serializers.CharField(help_text="Send it back with a code.")
    secret = serializers.CharField(help_text="Base32, for typing.")
    address = serializers.CharField(help_text="`otpauth://…`, for a QR code.")


@openapi_example(request={"enrolment": SEALED, "code": "492039"})
class FinishTotpSerializer(StrictSerializer):
    """A code of the new app."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    code = serializers.CharField(max_length=32)


@openapi_example(response={"recovery_codes": CODES})
class RecoveryCodesSerializer(serializers.Serializer[Any]):
    """Recovery codes, returned only once."""

    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Empty: earlier codes stay valid.")


@openapi_example(response={"enrolment": SEALED, "options": OPTIONS})
class PasskeyOptionsSerializer(serializers.Serializer[Any]):
    """Options for creating a passkey."""

    enrolment = serializers.CharField(help_text="Send it back with the credential.")
    options = serializers.DictField(help_text="For `PublicKeyCredential.parseCreationOptionsFromJSON()`.")


@openapi_example(request={"enrolment": SEALED, "name": "Phone", "credential": CREDENTIAL})
class FinishPasskeySerializer(StrictSerializer):
    """The credential that the browser or phone created."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    name = serializers.CharField(max_length=100, help_text="Label chosen by its owner.")
    credential = serializers.JSONField(help_text="`PublicKeyCredential.toJSON()`.")

    def validate_credential(self, value: object) -> dict[str, Any]:
        """Require an object."""
        return _object(value)


@openapi_example(response={"recovery_codes": CODES, "passkey": PASSKEY})
class NewPasskeySerializer(RecoveryCodesSerializer):
    """A passkey that was added."""

    passkey = PasskeySerializer()


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise serializers.ValidationError("Not an object.")
    return value
