"""Bodies of service tokens, visits and roles."""

from typing import Any, Final

from rest_framework import serializers

from apps.common.http.serializers import MultilineField, StrictSerializer, ZonedDateTimeField

MOST_SCOPES: Final = 100


class ServiceTokenSerializer(StrictSerializer):
    """A service token."""

    id = serializers.UUIDField(read_only=True)
    organization = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=100, help_text="Which system it is for.")
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=151),
        min_length=1,
        max_length=MOST_SCOPES,
        help_text="`resource:action`, each a right of the maker's own. None implies another.",
    )
    expires_at = ZonedDateTimeField(help_text="At most 366 days from now.")
    created_by = serializers.UUIDField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To within two minutes.")


class NewServiceTokenSerializer(ServiceTokenSerializer):
    """A service token that was made just now."""

    token = serializers.CharField(read_only=True, help_text="`Authorization: Bearer <token>`. Told this once.")


MOST_PERMISSIONS: Final = 500


class VisitSerializer(StrictSerializer):
    """A platform operator's look into an organization."""

    id = serializers.UUIDField(read_only=True)
    organization = serializers.UUIDField(read_only=True)
    visitor = serializers.UUIDField(read_only=True)
    visitor_name = serializers.CharField(read_only=True)
    reason = MultilineField(max_length=500, help_text="The school reads it.")
    started_at = serializers.DateTimeField(read_only=True)
    ends_at = ZonedDateTimeField(required=False, help_text="An hour from now if left out, 8 at the most.")
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)
    ended_by = serializers.UUIDField(read_only=True, allow_null=True)


class RoleSerializer(StrictSerializer):
    """What a role may."""

    role = serializers.CharField(read_only=True)
    permissions = serializers.ListField(
        child=serializers.CharField(max_length=151), max_length=MOST_PERMISSIONS, help_text="`resource:action` each."
    )


class RolesSerializer(serializers.Serializer[Any]):
    """What every role may, from most to least."""

    roles = RoleSerializer(many=True)
