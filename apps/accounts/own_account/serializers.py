"""Bodies of /api/v1/me."""

from typing import Any

from rest_framework import serializers

from apps.accounts.identity.serializers import PROOF_HELP, locale_field, password_field
from apps.accounts.models import MembershipScope, Platform, Role
from apps.common.http.serializers import StrictSerializer
from apps.tenancy.models import OrganizationStatus


class ChangePasswordSerializer(StrictSerializer):
    """A new password, by the old one."""

    current_password = password_field(help_text=PROOF_HELP)
    password = password_field(help_text="12 characters or more, and none that everybody uses.")


class ChangeEmailSerializer(StrictSerializer):
    """An address that is to be the account's."""

    email = serializers.EmailField(max_length=255)
    current_password = password_field(help_text=PROOF_HELP)


class SentSerializer(serializers.Serializer[Any]):
    """That something was sent, and until when it is good."""

    expires_at = serializers.DateTimeField()


class ChangePhoneSerializer(StrictSerializer):
    """A number that is to be the account's."""

    phone = serializers.RegexField(r"^\+[1-9][0-9]{6,14}\Z", max_length=16, help_text="E.164, e.g. `+12025550123`.")


class CodeSentSerializer(SentSerializer):
    """That a code was sent: send it back together with `verification`."""

    verification = serializers.UUIDField()


class VerifyPhoneSerializer(StrictSerializer):
    """The code that was sent."""

    verification = serializers.UUIDField()
    code = serializers.RegexField(r"^[0-9]{6}\Z")


class EraseSerializer(StrictSerializer):
    """The proof that it is the person who wants to be forgotten."""

    current_password = password_field(help_text=PROOF_HELP)


class OwnPlacesSerializer(serializers.Serializer[Any]):
    """Where a role of scope `places` holds."""

    sites = serializers.ListField(child=serializers.UUIDField())
    buildings = serializers.ListField(child=serializers.UUIDField())


class OwnOrganizationSerializer(serializers.Serializer[Any]):
    """An organization as its people are told of it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    slug = serializers.CharField()
    status = serializers.ChoiceField(OrganizationStatus.choices)
    suspension_reason = serializers.CharField(allow_null=True)


class HeldSerializer(serializers.Serializer[Any]):
    """What a narrowed role may at one place."""

    kind = serializers.ChoiceField(["site", "building"])
    id = serializers.UUIDField()
    permissions = serializers.ListField(child=serializers.CharField())


class OwnMembershipSerializer(serializers.Serializer[Any]):
    """One's role in an organization."""

    organization = OwnOrganizationSerializer()
    role = serializers.ChoiceField(Role.choices)
    scope = serializers.ChoiceField(MembershipScope.choices)
    places = OwnPlacesSerializer()
    name = serializers.CharField(help_text="How the organization shows you.")
    title = serializers.CharField(allow_null=True)
    day_account = serializers.BooleanField(help_text="Whether it gives the right to raise alarms and nothing else.")
    expires_at = serializers.DateTimeField(allow_null=True)
    joined_at = serializers.DateTimeField()
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="`resource:action`, held in the whole organization at this moment."
    )
    held_at = HeldSerializer(many=True, help_text="What a role of scope `places` may where.")


class OwnSerializer(StrictSerializer):
    """One's own account. What is not one's own to write is ignored in what is sent back."""

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
    """A phone or browser that is told of alerts. Its token is not told back."""

    id = serializers.UUIDField(read_only=True)
    token = serializers.CharField(max_length=1024, write_only=True, help_text="As the push service gave it out.")
    platform = serializers.ChoiceField(Platform.choices)
    app_version = serializers.CharField(max_length=50)
    created_at = serializers.DateTimeField(read_only=True)
    seen_at = serializers.DateTimeField(read_only=True)


class DevicesSerializer(serializers.Serializer[Any]):
    """Every one of them, the oldest first."""

    results = PushRegistrationSerializer(many=True)


class ExportSerializer(serializers.Serializer[Any]):
    """Everything that is kept about the caller; of others it names ids only."""

    exported_at = serializers.DateTimeField()
    account = serializers.DictField()
    memberships = serializers.ListField(child=serializers.DictField())
    invitations = serializers.ListField(child=serializers.DictField())
    devices = PushRegistrationSerializer(many=True)
    sign_ins = serializers.ListField(child=serializers.DictField())
    second_factors = serializers.ListField(child=serializers.DictField())
    identities = serializers.ListField(
        child=serializers.DictField(), help_text="Whom your schools' identity providers take you for."
    )
    proofs = serializers.ListField(child=serializers.DictField(), help_text="Links and codes that were asked for.")
    visits = serializers.ListField(child=serializers.DictField())
    audit = serializers.ListField(child=serializers.DictField(), help_text="What you did, and what was done to you.")
    did = serializers.DictField(help_text="What you did about alerts, by kind.")
