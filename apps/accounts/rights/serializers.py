"""Request and response bodies of service tokens, visits and roles."""

from typing import Any, Final

from rest_framework import serializers

from apps.common.http.serializers import MultilineField, StrictSerializer, ZonedDateTimeField

MOST_SCOPES: Final = 100


class ServiceTokenSerializer(StrictSerializer):
    """A service token."""

    id = serializers.UUIDField(read_only=True)
    organization = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=100, help_text="The system that uses it.")
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=151),
        min_length=1,
        max_length=MOST_SCOPES,
        help_text="`resource:action`; the creator must have each of them. None implies another.",
    )
    expires_at = ZonedDateTimeField(help_text="At most 366 days from now.")
    created_by = serializers.UUIDField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Accurate to two minutes.")


class NewServiceTokenSerializer(ServiceTokenSerializer):
    """A newly created service token."""

    token = serializers.CharField(read_only=True, help_text="`Authorization: Bearer <token>`. Returned only once.")


MOST_PERMISSIONS: Final = 500


class VisitSerializer(StrictSerializer):
    """A platform operator's visit to an organization."""

    id = serializers.UUIDField(read_only=True)
    organization = serializers.UUIDField(read_only=True)
    visitor = serializers.UUIDField(read_only=True)
    visitor_name = serializers.CharField(read_only=True)
    reason = MultilineField(max_length=500, help_text="Visible to the school.")
    started_at = serializers.DateTimeField(read_only=True)
    ends_at = ZonedDateTimeField(required=False, help_text="One hour from now if left out; at most 8.")
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)
    ended_by = serializers.UUIDField(read_only=True, allow_null=True)


class RoleSerializer(StrictSerializer):
    """The permissions of a role."""

    role = serializers.CharField(read_only=True)
    permissions = serializers.ListField(
        child=serializers.CharField(max_length=151), max_length=MOST_PERMISSIONS, help_text="`resource:action` each."
    )


class RolesSerializer(serializers.Serializer[Any]):
    """The permissions of every role, from most to least."""

    roles = RoleSerializer(many=True)
