"""What requests about organizations and places may contain."""

import json
from typing import Any, Final

from rest_framework import serializers

from apps.common.http.serializers import CoordinateField, MultilineField, StrictSerializer
from apps.common.openapi.examples import openapi_example
from apps.tenancy import examples
from apps.tenancy.documents import (
    BuildingDocument,
    FloorDocument,
    OrganizationDocument,
    RoomDocument,
    SiteDocument,
    changeable,
)
from apps.tenancy.models import Building, Floor, Room, Site
from apps.tenancy.organizations.organization_settings import TIME_ZONES

METADATA_BYTES: Final = 16_384


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


@openapi_example(request=examples.ORGANIZATION_SENT)
class OrganizationSerializer(StrictSerializer):
    """An organization."""

    answered = OrganizationDocument

    name = serializers.CharField(max_length=200)
    slug = serializers.RegexField(
        r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*\Z",
        max_length=100,
        help_text="For addresses: letters, digits, and hyphens between them. Kept in lower case.",
    )
    metadata = MetadataField(allow_null=True, default=None)


@openapi_example(request=examples.SUSPENSION)
class SuspendSerializer(StrictSerializer):
    """The reason, which is shown to the organization's people when they sign in."""

    reason = MultilineField(max_length=500)


class PlaceSerializer(StrictSerializer, serializers.ModelSerializer[Any]):
    """A place: its fields, their limits and their defaults are those of the model unless a subclass declares them."""

    def build_standard_field(self, field_name: str, model_field: Any) -> tuple[Any, dict[str, Any]]:
        """Return a field that gets its column's default if it is left out, so that PUT replaces the whole place."""
        kind, options = super().build_standard_field(field_name, model_field)
        if not options.pop("required", True):
            options["default"] = model_field.get_default()
        return kind, options


@openapi_example(request=examples.SITE_SENT)
class SiteSerializer(PlaceSerializer):
    """A campus."""

    answered = SiteDocument

    address = MultilineField(max_length=1000, allow_null=True, default=None)
    latitude = CoordinateField(limit=90, allow_null=True, default=None)
    longitude = CoordinateField(limit=180, allow_null=True, default=None)
    timezone = TimezoneField(
        allow_null=True, default=None, help_text="IANA name. Null or left out: the organization's own."
    )

    class Meta:
        model = Site
        fields = changeable(SiteDocument)


@openapi_example(request=examples.BUILDING_SENT)
class BuildingSerializer(PlaceSerializer):
    """A building of a site."""

    answered = BuildingDocument

    address = MultilineField(max_length=1000, allow_null=True, default=None)

    class Meta:
        model = Building
        fields = changeable(BuildingDocument)


@openapi_example(request=examples.FLOOR_SENT)
class FloorSerializer(PlaceSerializer):
    """A floor of a building."""

    answered = FloorDocument

    class Meta:
        model = Floor
        fields = changeable(FloorDocument)
        extra_kwargs = {"floor_number": {"help_text": "0 is the ground floor, -1 the basement."}}


@openapi_example(request=examples.ROOM_SENT)
class RoomSerializer(PlaceSerializer):
    """A room of a floor."""

    answered = RoomDocument

    class Meta:
        model = Room
        fields = changeable(RoomDocument)
