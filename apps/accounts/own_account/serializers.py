"""Bodies of /api/v1/me."""

from typing import Any

from rest_framework import serializers

from apps.accounts.identity.serializers import PROOF_HELP, locale_field, password_field
from apps.accounts.models import MembershipScope, Platform, Role
from apps.common.http.serializers import StrictSerializer
from apps.tenancy.models import OrganizationStatus


class ChangePasswordSerializer(StrictSerializer):
    """A new password, confirmed by the old one."""

    current_password = password_field(help_text=PROOF_HELP)
    password = password_field(help_text="At least 12 characters, and not a common password.")


class ChangeEmailSerializer(StrictSerializer):
    """A new address for the account."""

    email = serializers.EmailField(max_length=255)
    current_password = password_field(help_text=PROOF_HELP)


class SentSerializer(serializers.Serializer[Any]):
    """Confirmation that a message was sent, and until when it is valid."""

    expires_at = serializers.DateTimeField()


class ChangePhoneSerializer(StrictSerializer):
    """A new number for the account."""

    phone = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z", max_length=16, help_text="E.164, e.g. `+12025550123`.")


class CodeSentSerializer(SentSerializer):
    """Confirmation that a code was sent: send it back together with `verification`."""

    verification = serializers.UUIDField()


class VerifyPhoneSerializer(StrictSerializer):
    """The code that was sent."""

    verification = serializers.UUIDField()
    code = serializers.RegexField(r"^[0-9]{6}\Z")


class EraseSerializer(StrictSerializer):
    """The password, as proof that the account's owner requests the erasure."""

    current_password = password_field(help_text=PROOF_HELP)


class OwnPlacesSerializer(serializers.Serializer[Any]):
    """The places where a role of scope `places` applies."""

    sites = serializers.ListField(child=serializers.UUIDField())
    buildings = serializers.ListField(child=serializers.UUIDField())


class OwnOrganizationSerializer(serializers.Serializer[Any]):
    """An organization for its members."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    slug = serializers.CharField()
    status = serializers.ChoiceField(OrganizationStatus.choices)
    suspension_reason = serializers.CharField(allow_null=True)


class HeldSerializer(serializers.Serializer[Any]):
    """Permissions of a role of scope `places` at one place."""

    kind = serializers.ChoiceField(["site", "building"])
    id = serializers.UUIDField()
    permissions = serializers.ListField(child=serializers.CharField())


class OwnMembershipSerializer(serializers.Serializer[Any]):
    """The caller's role in an organization."""

    organization = OwnOrganizationSerializer()
    role = serializers.ChoiceField(Role.choices)
    scope = serializers.ChoiceField(MembershipScope.choices)
    places = OwnPlacesSerializer()
    name = serializers.CharField(help_text="Your display name in the organization.")
    title = serializers.CharField(allow_null=True)
    day_account = serializers.BooleanField(help_text="Whether it only gives the right to raise alarms.")
    expires_at = serializers.DateTimeField(allow_null=True)
    joined_at = serializers.DateTimeField()
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="`resource:action`, effective in the whole organization now."
    )
    held_at = HeldSerializer(many=True, help_text="Permissions of a role of scope `places`, by place.")


class OwnSerializer(StrictSerializer):
    """The caller's account. Read-only fields are ignored in requests."""

    id = serializers.UUIDField(read_only=True)
    email = serializers.EmailField(read_only=True, allow_null=True)
    email_verified = serializers.BooleanField(read_only=True)
    phone = serializers.CharField(read_only=True, allow_null=True)
    phone_verified = serializers.BooleanField(read_only=True)
    first_name = serializers.CharField(max_length=100, allow_null=True, required=False)
    last_name = serializers.CharField(max_length=100, allow_null=True, required=False)
    locale = locale_field()
    has_password = serializers.BooleanField(read_only=True)
    is_super_admin = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    memberships = OwnMembershipSerializer(many=True, read_only=True)


class PushRegistrationSerializer(StrictSerializer):
    """A phone or browser that receives alerts. Its token is not returned."""

    id = serializers.UUIDField(read_only=True)
    token = serializers.CharField(max_length=1024, write_only=True, help_text="Token issued by the push service.")
    platform = serializers.ChoiceField(Platform.choices)
    app_version = serializers.CharField(max_length=50)
    created_at = serializers.DateTimeField(read_only=True)
    seen_at = serializers.DateTimeField(read_only=True)


class DevicesSerializer(serializers.Serializer[Any]):
    """All push registrations, oldest first."""

    results = PushRegistrationSerializer(many=True)


class ExportSerializer(serializers.Serializer[Any]):
    """All data about the caller; other people appear as ids only."""

    exported_at = serializers.DateTimeField()
    account = serializers.DictField()
    memberships = serializers.ListField(child=serializers.DictField())
    invitations = serializers.ListField(child=serializers.DictField())
    devices = PushRegistrationSerializer(many=True)
    sign_ins = serializers.ListField(child=serializers.DictField())
    second_factors = serializers.ListField(child=serializers.DictField())
    identities = serializers.ListField(
        child=serializers.DictField(), help_text="Your identities at your schools' identity providers."
    )
    proofs = serializers.ListField(child=serializers.DictField(), help_text="Links and codes that were requested.")
    visits = serializers.ListField(child=serializers.DictField())
    audit = serializers.ListField(child=serializers.DictField(), help_text="Audit records of actions by or on you.")
    did = serializers.DictField(help_text="Your actions on alerts, by kind.")
