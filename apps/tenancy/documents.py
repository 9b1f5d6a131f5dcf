"""Representations of organizations and places, used for responses and for entity tags."""

from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import msgspec

from apps.common.times import rfc3339
from apps.tenancy.models import Building, Floor, Organization, Place, Room, Site


class OrganizationDocument(msgspec.Struct, frozen=True):
    """A tenant. `suspension_reason` is null unless it is suspended."""

    id: UUID
    name: str
    slug: str
    status: str
    suspension_reason: str | None
    metadata: dict[str, object] | None
    created_at: str
    updated_at: str


class SiteDocument(msgspec.Struct, frozen=True):
    """A campus."""

    id: UUID
    organization_id: UUID
    name: str
    address: str | None
    latitude: float | None
    longitude: float | None
    timezone: str
    created_at: str
    updated_at: str


class BuildingDocument(msgspec.Struct, frozen=True):
    """A building of a site."""

    id: UUID
    organization_id: UUID
    site_id: UUID
    name: str
    address: str | None
    floor_count: int
    created_at: str
    updated_at: str


class FloorDocument(msgspec.Struct, frozen=True):
    """A floor of a building."""

    id: UUID
    organization_id: UUID
    building_id: UUID
    floor_number: int
    name: str | None


class RoomDocument(msgspec.Struct, frozen=True):
    """A room of a floor."""

    id: UUID
    organization_id: UUID
    floor_id: UUID
    room_number: str
    name: str | None
    capacity: int | None
    room_type: str | None


PlaceDocument = SiteDocument | BuildingDocument | FloorDocument | RoomDocument

_DOCUMENTS: dict[type[Place], type[PlaceDocument]] = {
    Site: SiteDocument,
    Building: BuildingDocument,
    Floor: FloorDocument,
    Room: RoomDocument,
}


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
