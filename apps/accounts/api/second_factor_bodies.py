"""Bodies of /api/v1/me/mfa and of a sign-in's second step."""

from typing import Any

from rest_framework import serializers

from apps.common.serializers import StrictSerializer

SECRET_LENGTH = 4096
"""Characters of what we sealed ourselves, at the most."""


class SecondFactorSerializer(StrictSerializer):
    """The second step: one of `code` and `passkey`."""

    challenge = serializers.CharField(max_length=200, help_text="From `second_factor_required`.")
    code = serializers.CharField(
        max_length=32, required=False, help_text="Of the authenticator app, or a recovery code."
    )
    passkey = serializers.JSONField(
        required=False, help_text="`PublicKeyCredential.toJSON()` of `navigator.credentials.get` with its `passkey`."
    )

    def validate_passkey(self, value: object) -> dict[str, Any]:
        """An object."""
        return _object(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one answer."""
        if ("code" in attrs) == ("passkey" in attrs):
            raise serializers.ValidationError({"code": ["Send either `code` or `passkey`."]})
        return attrs


class ConfirmSerializer(StrictSerializer):
    """The account's password."""

    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


class ConfirmationSerializer(serializers.Serializer[Any]):
    """What shows that it was right."""

    confirmation = serializers.CharField(help_text="Send it as `X-Confirmation`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class TotpSerializer(serializers.Serializer[Any]):
    """An authenticator app that is set up."""

    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class PasskeySerializer(serializers.Serializer[Any]):
    """A passkey."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class SecondFactorsSerializer(serializers.Serializer[Any]):
    """The second factors of an account."""

    totp = TotpSerializer(allow_null=True)
    passkeys = PasskeySerializer(many=True)
    recovery_codes_left = serializers.IntegerField()
    required_by = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="Organizations that withhold the administrator's role until there is one.",
    )


class EnrolmentSerializer(serializers.Serializer[Any]):
    """A new authenticator app."""

    enrolment = serializers.CharField(help_text="Send it back with a code.")
    secret = serializers.CharField(help_text="Base32, for typing.")
    address = serializers.CharField(help_text="`otpauth://…`, for a QR code.")


class FinishTotpSerializer(StrictSerializer):
    """A code of the new app."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    code = serializers.CharField(max_length=32)


class RecoveryCodesSerializer(serializers.Serializer[Any]):
    """Recovery codes, shown this once."""

    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Empty: those before still count.")


class PasskeyOptionsSerializer(serializers.Serializer[Any]):
    """What a passkey is made from."""

    enrolment = serializers.CharField(help_text="Send it back with the credential.")
    options = serializers.DictField(help_text="For `PublicKeyCredential.parseCreationOptionsFromJSON()`.")


class FinishPasskeySerializer(StrictSerializer):
    """What browser or phone has made."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    name = serializers.CharField(max_length=100, help_text="How its owner tells it from others.")
    credential = serializers.JSONField(help_text="`PublicKeyCredential.toJSON()`.")

    def validate_credential(self, value: object) -> dict[str, Any]:
        """An object."""
        return _object(value)


class NewPasskeySerializer(RecoveryCodesSerializer):
    """A passkey that was added."""

    passkey = PasskeySerializer()


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise serializers.ValidationError("Not an object.")
    return value
