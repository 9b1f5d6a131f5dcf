"""Import of places from a table, all lines or none.

Missing places are created together with their parents; existing places get the values of their lines. Nothing is
deleted or renamed: a place is identified by its name or number. The audit trail gets one row with counts for the whole
import: ten thousand rooms are one decision of one person.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from django.db import models
from django.utils import timezone as clock

from apps.common.access import Principal, require
from apps.common.changes import record_change
from apps.common.csv.endpoints import Imported
from apps.common.csv.tables import Faults, Line
from apps.common.db.scope import rolled_back_if
from apps.tenancy import selectors
from apps.tenancy.audit_actions import AuditAction
from apps.tenancy.models import Building, Floor, Place, Room, Site
from apps.tenancy.places.place_index import Named, NoSuchPlace, PlaceIndex
from apps.tenancy.places.place_table import FIELDS, PLACES, PlaceLine
from apps.tenancy.services import conflicts

P = TypeVar("P", bound=Place)
N = TypeVar("N", str, int)

BATCH: Final = 500
"""Rows per statement."""


Progress = Callable[[int, int], None]
"""Called with the number of places written so far, and their total."""


def unwatched(done: int, total: int) -> None:
    """Report no progress."""


def import_places(
    *,
    actor: Principal,
    organization_id: UUID,
    body: bytes,
    dry_run: bool = False,
    progress: Progress = unwatched,
) -> Imported:
    """Create and update the places of a table. Raises NotFound, Forbidden, CsvRefused, PlaceTaken."""
    for action in ("create", "update"):
        require(actor, organization_id, "places", action)
    lines = PLACES.read(body)
    selectors.existing_organization(organization_id, lock=True)  # one import at a time
    plan = _Import(organization_id)
    plan.read(lines)
    done = plan.counts
    with rolled_back_if(dry_run), conflicts():
        plan.write(progress)
        record_change(
            actor=actor,
            action=AuditAction.PLACES_IMPORTED,
            target_kind="organization",
            target_id=organization_id,
            organization_id=organization_id,
            resource="places",
            created=done.created,
            updated=done.updated,
            unchanged=done.unchanged,
        )
    return done


class _Import:
    """The changes that the lines of one table require, collected before any is written."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization = organization_id
        self._timezone = selectors.settings_of(organization_id).timezone
        self._defaults: Mapping[str, object] = {"timezone": self._timezone, "floor_count": 1}
        self._index = PlaceIndex(organization_id)
        self._faults = Faults()
        self._lines: dict[tuple[object, ...], int] = {}
        self._created: dict[UUID, Place] = {}
        self._updated: dict[UUID, Place] = {}
        self._unchanged = 0

    def read(self, lines: Iterable[Line[PlaceLine]]) -> None:
        """Collect the changes of all lines. Raises CsvRefused."""
        for line in lines:
            first = self._lines.setdefault(line.row.key, line.number)
            if first != line.number:
                self._faults.add(line.number, None, f"The same place as in line {first}.")
            elif self._is_valid(line):
                self._read_line(line)
        self._faults.refuse()

    def write(self, progress: Progress) -> None:
        """Write the collected changes, parents before their children."""
        now, written, total = clock.now(), 0, len(self._created) + len(self._updated)
        for kind, fields in FIELDS.items():
            manager: models.Manager[Place] = kind.objects
            dated = ["updated_at"] if issubclass(kind, Site | Building) else []
            for batch in _batches(place for place in self._created.values() if type(place) is kind):
                manager.bulk_create(batch)
                progress(written := written + len(batch), total)
            for batch in _batches(place for place in self._updated.values() if type(place) is kind):
                for place in batch:
                    if isinstance(place, Site | Building):
                        place.updated_at = now
                manager.bulk_update(batch, [*fields, *dated])
                progress(written := written + len(batch), total)

    @property
    def counts(self) -> Imported:
        """How many places are created (including parents without a line), updated and unchanged."""
        return Imported(len(self._created), len(self._updated), self._unchanged)

    def _is_valid(self, line: Line[PlaceLine]) -> bool:
        """Check that the line names all parents of its place, and only values that such a place has."""
        row = line.row
        path = {"building": row.building, "floor_number": row.floor_number, "room_number": row.room_number}
        depth = max((number for number, name in enumerate(path.values(), 1) if name is not None), default=0)
        missing = [column for column in list(path)[:depth] if path[column] is None]
        known = FIELDS[row.kind]
        foreign = [column for column, value in row.values.items() if value is not None and column not in known]
        for column in missing:
            self._faults.add(line.number, column, "This cell must not be empty where a place below it is named.")
        for column in foreign:
            kind = row.kind.__name__.lower()
            self._faults.add(line.number, column, f"The line is about a {kind}: leave this cell empty.")
        for column in known & row.values.keys():
            longest, value = getattr(row.kind._meta.get_field(column), "max_length", None), row.values[column]
            if longest and isinstance(value, str) and len(value) > longest:
                self._faults.add(line.number, column, f"Longer than {longest} characters.")
                return False
        return not missing and not foreign

    def _read_line(self, line: Line[PlaceLine]) -> None:
        try:
            place = self._place(line.row)
        except NoSuchPlace as error:
            self._faults.add(line.number, error.column, str(error))
            return
        changed = False
        for field, value in line.row.values.items():
            if field not in FIELDS[line.row.kind]:
                continue
            wanted = self._defaults.get(field) if value is None else value
            changed |= getattr(place, field) != wanted
            setattr(place, field, wanted)
        if place.id in self._created:
            return
        if changed:
            self._updated[place.id] = place
        else:
            self._unchanged += 1

    def _place(self, row: PlaceLine) -> Place:
        """Return the place of a line; create it and its parents if they are missing. Raises NoSuchPlace."""
        index, mine = self._index, {"organization_id": self._organization}
        site = self._find_or_add(
            index.sites,
            self._organization,
            row.site,
            lambda name: Site(**mine, name=name, timezone=self._timezone),
        )
        if row.building is None:
            return site
        building = self._find_or_add(
            index.buildings, site.id, row.building, lambda name: Building(**mine, site=site, name=name)
        )
        if row.floor_number is None:
            return building
        floor = self._find_or_add(
            index.floors,
            building.id,
            row.floor_number,
            lambda level: Floor(**mine, building=building, floor_number=level),
        )
        if row.room_number is None:
            return floor
        return self._find_or_add(
            index.rooms, floor.id, row.room_number, lambda number: Room(**mine, floor=floor, room_number=number)
        )

    def _find_or_add(self, known: Named[P], parent: UUID, name: N, make: Callable[[N], P]) -> P:
        found = known.find(parent, name)
        if found is None:
            found = make(name)
            known.add(parent, name, found)
            self._created[found.id] = found
        return found


def _batches(places: Iterable[Place]) -> Iterator[list[Place]]:
    rest = iter(places)
    while batch := list(islice(rest, BATCH)):
        yield batch
