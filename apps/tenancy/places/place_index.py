"""An index of an organization's places by name, for imports."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar
from uuid import UUID

from apps.common.csv.tables import BadCell
from apps.tenancy.models import Building, Floor, Place, Room, Site

P = TypeVar("P", bound=Place)


class NoSuchPlace(BadCell):
    """The names match no place, or several; `column` is the first name without a match."""


class Named(Generic[P]):
    """The places of one kind, by parent and by name or number."""

    def __init__(self, column: str, places: Iterable[tuple[UUID, str | int, P]]) -> None:
        self._column = column
        self._places: defaultdict[tuple[UUID, str | int], list[P]] = defaultdict(list)
        for parent, name, place in places:
            self.add(parent, name, place)

    def add(self, parent: UUID, name: str | int, place: P) -> None:
        """Add a place."""
        self._places[parent, name].append(place)

    def find(self, parent: UUID, name: str | int) -> P | None:
        """Return the place of this name, or None. Raises NoSuchPlace if there are several."""
        found = self._places.get((parent, name), [])
        if len(found) > 1:
            raise NoSuchPlace(self._column, "There are several of this name: rename one first.")
        return found[0] if found else None

    def get(self, parent: UUID, name: str | int | None) -> P:
        """Return the place of this name. Raises NoSuchPlace."""
        found = None if name is None else self.find(parent, name)
        if found is None:
            raise NoSuchPlace(self._column, "There is no such place.")
        return found


class PlaceIndex:
    """All places, read in four queries. Code that creates a place must add it."""

    def __init__(self, organization_id: UUID) -> None:
        mine = {"organization_id": organization_id}
        self.organization_id = organization_id
        self.sites = Named("site", ((organization_id, one.name, one) for one in Site.objects.filter(**mine)))
        self.buildings = Named("building", ((one.site_id, one.name, one) for one in Building.objects.filter(**mine)))
        self.floors = Named(
            "floor_number", ((one.building_id, one.floor_number, one) for one in Floor.objects.filter(**mine))
        )
        self.rooms = Named("room_number", ((one.floor_id, one.room_number, one) for one in Room.objects.filter(**mine)))

    def place(self, site: str, building: str | None) -> Site | Building:
        """Return the building of a site; without a building, the site. Raises NoSuchPlace."""
        found = self.sites.get(self.organization_id, site)
        return found if building is None else self.buildings.get(found.id, building)

    def room(self, site: str, building: str | None, floor_number: int | None, room_number: str | None) -> Room:
        """Return the room of these names. Raises NoSuchPlace."""
        found = self.buildings.get(self.sites.get(self.organization_id, site).id, building)
        return self.rooms.get(self.floors.get(found.id, floor_number).id, room_number)
