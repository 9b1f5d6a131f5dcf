"""The CSV table of places: each line is one place, the deepest that it names."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from apps.common.access import Principal, require
from apps.common.csv.tables import Column, Table, cells_of, degrees, multiline_text
from apps.tenancy.documents import BuildingDocument, FloorDocument, RoomDocument, SiteDocument, changeable
from apps.tenancy.models import Building, Floor, Place, Room, Site
from apps.tenancy.organizations.organization_settings import TIME_ZONES


class PlaceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. It is about the site if `building`, `floor_number` and `room_number` are empty, and so on."""

    site: str
    building: str | None = None
    floor_number: int | None = None
    room_number: str | None = None
    name: str | UnsetType | None = UNSET
    address: str | UnsetType | None = UNSET
    latitude: Decimal | UnsetType | None = UNSET
    longitude: Decimal | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    floor_count: int | UnsetType | None = UNSET
    capacity: int | UnsetType | None = UNSET
    room_type: str | UnsetType | None = UNSET

    @property
    def kind(self) -> type[Place]:
        """The kind of place that the line is about."""
        if self.room_number is not None:
            return Room
        return Floor if self.floor_number is not None else Building if self.building is not None else Site

    @property
    def key(self) -> tuple[str, str | None, int | None, str | None]:
        """The names that identify the place."""
        return self.site, self.building, self.floor_number, self.room_number

    @property
    def values(self) -> dict[str, object]:
        """Values of the file's columns outside of the key, by field; None for an empty cell."""
        named = {name: getattr(self, name) for name in VALUES}
        return {name: value for name, value in named.items() if value is not UNSET}


def _timezone(cell: str) -> str:
    if cell not in TIME_ZONES:
        raise ValueError("Not a time zone of the IANA database.")
    return cell


PLACES: Final = Table(
    [
        Column("site", cells_of(Site, "name"), is_required=True),
        Column("building", cells_of(Building, "name")),
        Column("floor_number", cells_of(Floor, "floor_number")),
        Column("room_number", cells_of(Room, "room_number")),
        Column("name", cells_of(Room, "name")),
        Column("address", multiline_text(1000)),
        Column("latitude", degrees(90)),
        Column("longitude", degrees(180)),
        Column("timezone", _timezone),
        Column("floor_count", cells_of(Building, "floor_count")),
        Column("capacity", cells_of(Room, "capacity")),
        Column("room_type", cells_of(Room, "room_type")),
    ],
    PlaceLine,
)

VALUES: Final = [name for name in PLACES.names if name not in {"site", "building", "floor_number", "room_number"}]
FIELDS: Final[Mapping[type[Place], frozenset[str]]] = {
    Site: frozenset(changeable(SiteDocument)) - {"name"},
    Building: frozenset(changeable(BuildingDocument)) - {"name"},
    Floor: frozenset(changeable(FloorDocument)) - {"floor_number"},
    Room: frozenset(changeable(RoomDocument)) - {"room_number"},
}
"""The value columns of each kind; a site and a building are identified by their names."""


def exported_places(*, principal: Principal, organization_id: UUID) -> Iterator[str]:
    """Stream all places as CSV, site by site. Raises NotFound, Forbidden before the first line."""
    require(principal, organization_id, "exports", "read")
    require(principal, organization_id, "places", "read")
    sites = list(
        Site.objects.filter(organization_id=organization_id).order_by("name", "id").values_list("id", flat=True)
    )
    return _stream(organization_id, sites)


def _stream(organization_id: UUID, sites: list[UUID]) -> Iterator[str]:
    yield PLACES.head
    for site_id in sites:
        yield from PLACES.write(_lines(organization_id, site_id))


def _lines(organization_id: UUID, site_id: UUID) -> Iterator[PlaceLine]:
    """Yield a site and all places below it, parents first; nothing if it was deleted meanwhile."""
    mine = {"organization_id": organization_id}
    for site in Site.objects.filter(**mine, id=site_id):
        yield _line(site, site=site.name)
    for building in Building.objects.filter(**mine, site_id=site_id).select_related("site").order_by("name", "id"):
        yield _line(building, site=building.site.name, building=building.name)
    floors = Floor.objects.filter(**mine, building__site_id=site_id).select_related("building__site")
    for floor in floors.order_by("building__name", "building_id", "floor_number"):
        yield _line(floor, **_where(floor), floor_number=floor.floor_number)
    rooms = Room.objects.filter(**mine, floor__building__site_id=site_id).select_related("floor__building__site")
    for room in rooms.order_by("floor__building__name", "floor__building_id", "floor__floor_number", "room_number"):
        where = _where(room.floor)
        yield _line(room, **where, floor_number=room.floor.floor_number, room_number=room.room_number)


def _where(floor: Floor) -> dict[str, str]:
    return {"site": floor.building.site.name, "building": floor.building.name}


def _line(place: Place, **key: str | int) -> PlaceLine:
    values = {name: getattr(place, name) for name in FIELDS[type(place)]}
    return msgspec.convert(key | values, PlaceLine)
