"""Representations of organizations and places, used for responses and for entity tags."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.common.http.serializers import COORDINATE_PLACES
from apps.common.openapi.examples import openapi_example
from apps.common.openapi.members import Timestamp, one_of
from apps.common.times import rfc3339
from apps.tenancy import examples
from apps.tenancy.models import Building, Floor, Organization, OrganizationStatus, Place, Room, Site

Degrees = Annotated[float | None, Meta(description=f"Degrees (WGS 84), rounded to {COORDINATE_PLACES} decimals.")]


@openapi_example(response=examples.ORGANIZATION)
class OrganizationDocument(msgspec.Struct, frozen=True):
    """A tenant. `suspension_reason` is null unless it is suspended."""

    id: UUID
    name: str
    slug: Annotated[str, Meta(description="For addresses: letters, digits, and hyphens between them, in lower case.")]
    status: Annotated[str, one_of(OrganizationStatus.choices)]
    suspension_reason: str | None
    metadata: dict[str, Any] | None
    created_at: Timestamp
    updated_at: Timestamp


@openapi_example(response=examples.SITE)
class SiteDocument(msgspec.Struct, frozen=True):
    """A campus."""

    id: UUID
    organization_id: UUID
    name: str
    address: str | None
    latitude: Degrees
    longitude: Degrees
    timezone: Annotated[str, Meta(description="IANA name.")]
    created_at: Timestamp
    updated_at: Timestamp


@openapi_example(response=examples.BUILDING)
class BuildingDocument(msgspec.Struct, frozen=True):
    """A building of a site."""

    id: UUID
    organization_id: UUID
    site_id: UUID
    name: str
    address: str | None
    floor_count: int
    created_at: Timestamp
    updated_at: Timestamp


@openapi_example(response=examples.FLOOR)
class FloorDocument(msgspec.Struct, frozen=True):
    """A floor of a building."""

    id: UUID
    organization_id: UUID
    building_id: UUID
    floor_number: Annotated[int, Meta(description="0 is the ground floor, -1 the basement.")]
    name: str | None


@openapi_example(response=examples.ROOM)
class RoomDocument(msgspec.Struct, frozen=True):
    """A room of a floor."""

    id: UUID
    organization_id: UUID
    floor_id: UUID
    room_number: str
    name: str | None
    capacity: int | None
    room_type: str | None


class TreeRoomDocument(msgspec.Struct, frozen=True):
    """A room in the tree."""

    id: UUID
    room_number: str
    name: str | None
    capacity: int | None
    room_type: str | None


class TreeFloorDocument(msgspec.Struct, frozen=True):
    """A floor in the tree, with its rooms by number."""

    id: UUID
    floor_number: int
    name: str | None
    rooms: Sequence[TreeRoomDocument]


class TreeBuildingDocument(msgspec.Struct, frozen=True):
    """A building in the tree, with its floors, lowest first."""

    id: UUID
    name: str
    address: str | None
    floor_count: int
    floors: Sequence[TreeFloorDocument]


class TreeSiteDocument(msgspec.Struct, frozen=True):
    """A site in the tree, with its buildings by name."""

    id: UUID
    name: str
    address: str | None
    latitude: float | None
    longitude: float | None
    timezone: str
    buildings: Sequence[TreeBuildingDocument]


@openapi_example(response=examples.TREE)
class TreeDocument(msgspec.Struct, frozen=True):
    """All places of an organization, sites by name. `place_tree.sql` builds it."""

    organization_id: UUID
    sites: Sequence[TreeSiteDocument]


PlaceDocument = SiteDocument | BuildingDocument | FloorDocument | RoomDocument

_DOCUMENTS: dict[type[Place], type[PlaceDocument]] = {
    Site: SiteDocument,
    Building: BuildingDocument,
    Floor: FloorDocument,
    Room: RoomDocument,
}


_GIVEN: Final = {"id", "organization_id", "site_id", "building_id", "floor_id", "created_at", "updated_at"}
"""Fields of places that are set when a place is created, or by the server."""


def changeable(document: type[PlaceDocument]) -> list[str]:
    """Return the names of the fields of a place that people set and change."""
    return [name for name in document.__struct_fields__ if name not in _GIVEN]


def organization_document(organization: Organization) -> OrganizationDocument:
    """Return the representation of an organization."""
    return _document(organization, OrganizationDocument)


def place_document(place: Place) -> PlaceDocument:
    """Return the representation of a place."""
    return _document(place, _DOCUMENTS[type(place)])


D = TypeVar("D", bound=msgspec.Struct)


def _document(row: Organization | Place, document: type[D]) -> D:
    return document(**{name: _plain(getattr(row, name)) for name in document.__struct_fields__})


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return float(value) if isinstance(value, Decimal) else value
