"""Request bodies of /api/v1/me/mfa and of a sign-in's second step."""

from typing import Any, Final

from rest_framework import serializers

from apps.accounts.identity.examples import CREDENTIAL, SEALED
from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example

SECRET: Final = "Qm9va3MgYXJlIGEgdW5pcXVlbHkgcG9ydGFibGUgbWFnaWM"  # noqa: S105 (an example)
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


@openapi_example(request={"enrolment": SEALED, "code": "492039"})
class FinishTotpSerializer(StrictSerializer):
    """A code of the new app."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    code = serializers.CharField(max_length=32)


@openapi_example(request={"enrolment": SEALED, "name": "Phone", "credential": CREDENTIAL})
class FinishPasskeySerializer(StrictSerializer):
    """The credential that the browser or phone created."""

    enrolment = serializers.CharField(max_length=SECRET_LENGTH)
    name = serializers.CharField(max_length=100, help_text="Label chosen by its owner.")
    credential = serializers.JSONField(help_text="`PublicKeyCredential.toJSON()`.")

    def validate_credential(self, value: object) -> dict[str, Any]:
        """Require an object."""
        return _object(value)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise serializers.ValidationError("Not an object.")
    return value
