"""Serializers of organizations and places. Read-only fields are ignored in requests."""

import json
from typing import Any, Final

from rest_framework import serializers

from apps.common.http.serializers import CoordinateField, MultilineField, StrictSerializer
from apps.common.openapi.examples import openapi_example
from apps.tenancy.api import examples
from apps.tenancy.models import OrganizationStatus
from apps.tenancy.organizations.organization_settings import TIME_ZONES

METADATA_BYTES: Final = 16_384
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**31), 2**31 - 1
"""The range of PostgreSQL's `integer`."""


class TimezoneField(serializers.CharField):
    """A time zone of the IANA database."""

    default_error_messages = {"unknown": "Not a time zone of the IANA database."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=50, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the name of the zone. Raises ValidationError."""
        name = super().to_internal_value(data)
        if name not in TIME_ZONES:
            self.fail("unknown")
        return name


class MetadataField(serializers.DictField):
    """A JSON object for the client's own use."""

    default_error_messages = {"large": f"Larger than {METADATA_BYTES} bytes as JSON."}
    child = serializers.JSONField()

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object. Raises ValidationError."""
        value = super().to_internal_value(data)
        if len(json.dumps(value)) > METADATA_BYTES:
            self.fail("large")
        return value


def whole(**kwargs: Any) -> serializers.IntegerField:
    """Return a field for a whole number that fits its column."""
    return serializers.IntegerField(**{"min_value": SMALLEST_INTEGER, "max_value": LARGEST_INTEGER} | kwargs)


def text(most: int) -> serializers.CharField:
    """Return a field for an optional text."""
    return serializers.CharField(max_length=most, allow_null=True, default=None)


@openapi_example(response=examples.ORGANIZATION, request=examples.ORGANIZATION_SENT)
class OrganizationSerializer(StrictSerializer):
    """An organization."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=200)
    slug = serializers.RegexField(
        r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*\Z",
        max_length=100,
        help_text="For addresses: letters, digits, and hyphens between them. Kept in lower case.",
    )
    status = serializers.ChoiceField(OrganizationStatus.choices, read_only=True)
    suspension_reason = serializers.CharField(read_only=True, allow_null=True)
    metadata = MetadataField(allow_null=True, default=None)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


@openapi_example(request=examples.SUSPENSION)
class SuspendSerializer(StrictSerializer):
    """The reason, which is shown to the organization's people when they sign in."""

    reason = MultilineField(max_length=500)


@openapi_example(response=examples.SITE, request=examples.SITE_SENT)
class SiteSerializer(StrictSerializer):
    """A campus."""

    id = serializers.UUIDField(read_only=True)
    organization_id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=200)
    address = MultilineField(max_length=1000, allow_null=True, default=None)
    latitude = CoordinateField(limit=90, allow_null=True, default=None)
    longitude = CoordinateField(limit=180, allow_null=True, default=None)
    timezone = TimezoneField(
        allow_null=True, default=None, help_text="IANA name. Null or left out: the organization's own."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


@openapi_example(response=examples.BUILDING, request=examples.BUILDING_SENT)
class BuildingSerializer(StrictSerializer):
    """A building of a site."""

    id = serializers.UUIDField(read_only=True)
    organization_id = serializers.UUIDField(read_only=True)
    site_id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=200)
    address = MultilineField(max_length=1000, allow_null=True, default=None)
    floor_count = whole(min_value=0, max_value=500, default=1)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)


@openapi_example(response=examples.FLOOR, request=examples.FLOOR_SENT)
class FloorSerializer(StrictSerializer):
    """A floor of a building."""

    id = serializers.UUIDField(read_only=True)
    organization_id = serializers.UUIDField(read_only=True)
    building_id = serializers.UUIDField(read_only=True)
    floor_number = whole(help_text="0 is the ground floor, -1 the basement.")
    name = text(100)


@openapi_example(response=examples.ROOM, request=examples.ROOM_SENT)
class RoomSerializer(StrictSerializer):
    """A room of a floor."""

    id = serializers.UUIDField(read_only=True)
    organization_id = serializers.UUIDField(read_only=True)
    floor_id = serializers.UUIDField(read_only=True)
    room_number = serializers.CharField(max_length=50)
    name = text(200)
    capacity = whole(min_value=0, allow_null=True, default=None)
    room_type = text(50)


class TreeRoomSerializer(serializers.Serializer[object]):
    """A room in the tree."""

    id = serializers.UUIDField()
    room_number = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    capacity = serializers.IntegerField(allow_null=True)
    room_type = serializers.CharField(allow_null=True)


class TreeFloorSerializer(serializers.Serializer[object]):
    """A floor in the tree, with its rooms by number."""

    id = serializers.UUIDField()
    floor_number = serializers.IntegerField()
    name = serializers.CharField(allow_null=True)
    rooms = TreeRoomSerializer(many=True)


class TreeBuildingSerializer(serializers.Serializer[object]):
    """A building in the tree, with its floors, lowest first."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    address = serializers.CharField(allow_null=True)
    floor_count = serializers.IntegerField()
    floors = TreeFloorSerializer(many=True)


class TreeSiteSerializer(serializers.Serializer[object]):
    """A site in the tree, with its buildings by name."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    address = serializers.CharField(allow_null=True)
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    timezone = serializers.CharField()
    buildings = TreeBuildingSerializer(many=True)


@openapi_example(response=examples.TREE)
class TreeSerializer(serializers.Serializer[object]):
    """All places of an organization, sites by name."""

    organization_id = serializers.UUIDField()
    sites = TreeSiteSerializer(many=True)
