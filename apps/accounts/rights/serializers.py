"""Request bodies of service tokens, visits and roles."""

from typing import Final

from rest_framework import serializers

from apps.accounts.rights.documents import RoleDocument, ServiceTokenDocument, VisitDocument
from apps.common.http.serializers import MultilineField, StrictSerializer, ZonedDateTimeField

MOST_SCOPES: Final = 100


class ServiceTokenSerializer(StrictSerializer):
    """A service token."""

    answered = ServiceTokenDocument

    name = serializers.CharField(max_length=100, help_text="The system that uses it.")
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=151),
        min_length=1,
        max_length=MOST_SCOPES,
        help_text="`resource:action`; the creator must have each of them. None implies another.",
    )
    expires_at = ZonedDateTimeField(help_text="At most 366 days from now.")


MOST_PERMISSIONS: Final = 500


class VisitSerializer(StrictSerializer):
    """A platform operator's visit to an organization."""

    answered = VisitDocument

    reason = MultilineField(max_length=500, help_text="Visible to the school.")
    ends_at = ZonedDateTimeField(required=False, help_text="One hour from now if left out; at most 8.")


class RoleSerializer(StrictSerializer):
    """The permissions of a role."""

    answered = RoleDocument

    permissions = serializers.ListField(
        child=serializers.CharField(max_length=151), max_length=MOST_PERMISSIONS, help_text="`resource:action` each."
    )
