"""Request bodies of /api/v1/me."""

from rest_framework import serializers

from apps.accounts.identity.serializers import PROOF_HELP, locale_field, password_field
from apps.accounts.models import Platform
from apps.accounts.own_account.documents import OwnDocument, PushRegistrationDocument
from apps.common.http.serializers import StrictSerializer


class ChangePasswordSerializer(StrictSerializer):
    """A new password, confirmed by the old one."""

    current_password = password_field(help_text=PROOF_HELP)
    password = password_field(help_text="At least 12 characters, and not a common password.")


class ChangeEmailSerializer(StrictSerializer):
    """A new address for the account."""

    email = serializers.EmailField(max_length=255)
    current_password = password_field(help_text=PROOF_HELP)


class ChangePhoneSerializer(StrictSerializer):
    """A new number for the account."""

    phone = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z", max_length=16, help_text="E.164, e.g. `+12025550123`.")


class VerifyPhoneSerializer(StrictSerializer):
    """The code that was sent."""

    verification = serializers.UUIDField()
    code = serializers.RegexField(r"^[0-9]{6}\Z")


class EraseSerializer(StrictSerializer):
    """The password, as proof that the account's owner requests the erasure."""

    current_password = password_field(help_text=PROOF_HELP)


class OwnSerializer(StrictSerializer):
    """The caller's account. Read-only fields are ignored in requests."""

    answered = OwnDocument

    first_name = serializers.CharField(max_length=100, allow_null=True, required=False)
    last_name = serializers.CharField(max_length=100, allow_null=True, required=False)
    locale = locale_field()


class PushRegistrationSerializer(StrictSerializer):
    """A phone or browser that receives alerts. Its token is not returned."""

    answered = PushRegistrationDocument

    token = serializers.CharField(max_length=1024, write_only=True, help_text="Token issued by the push service.")
    platform = serializers.ChoiceField(Platform.choices)
    app_version = serializers.CharField(max_length=50)
