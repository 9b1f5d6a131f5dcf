"""The import of places from a table: all of it or nothing.

A place that is not there is made, with those that hold it; one that is there gets the values of its line. Nothing is
deleted or renamed: a place is known by its name or number. The audit trail has one row for the whole import, with
counts: ten thousand rooms are one decision of one person.
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
from apps.tenancy.place_index import Named, NoSuchPlace, PlaceIndex
from apps.tenancy.place_table import FIELDS, PLACES, PlaceLine
from apps.tenancy.services import conflicts

P = TypeVar("P", bound=Place)
N = TypeVar("N", str, int)

BATCH: Final = 500
"""Rows of one statement."""


Progress = Callable[[int, int], None]
"""Told how many places are written, of how many."""


def unwatched(done: int, total: int) -> None:
    """Nobody looks."""


def import_places(
    *,
    actor: Principal,
    organization_id: UUID,
    body: bytes,
    dry_run: bool = False,
    progress: Progress = unwatched,
) -> Imported:
    """Bring the places of an organization to what a table says. Raises NotFound, Forbidden, CsvRefused, PlaceTaken."""
    for action in ("create", "update"):
        require(actor, organization_id, "places", action)
    lines = PLACES.read(body)
    selectors.existing_organization(organization_id, lock=True)  # one import at a time
    work = _Import(organization_id)
    work.take(lines)
    done = work.done
    with rolled_back_if(dry_run), conflicts():
        work.write(progress)
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
    """What the lines of one table lead to, before anything is written."""

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

    def take(self, lines: Iterable[Line[PlaceLine]]) -> None:
        """Each line. Raises CsvRefused."""
        for line in lines:
            first = self._lines.setdefault(line.row.key, line.number)
            if first != line.number:
                self._faults.add(line.number, None, f"The same place as in line {first}.")
            elif self._is_right(line):
                self._take(line)
        self._faults.refuse()

    def write(self, progress: Progress) -> None:
        """What was taken: a place after the one that holds it."""
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
    def done(self) -> Imported:
        """How many places were made, those included that only hold others, and what became of the lines' others."""
        return Imported(len(self._created), len(self._updated), self._unchanged)

    def _is_right(self, line: Line[PlaceLine]) -> bool:
        """Whether the line names all that holds its place, and gives no value that such a place does not have."""
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

    def _take(self, line: Line[PlaceLine]) -> None:
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
        """The place that a line is about, made with what holds it where it is not there. Raises NoSuchPlace."""
        index, mine = self._index, {"organization_id": self._organization}
        site = self._have(
            index.sites,
            self._organization,
            row.site,
            lambda name: Site(**mine, name=name, timezone=self._timezone),
        )
        if row.building is None:
            return site
        building = self._have(
            index.buildings, site.id, row.building, lambda name: Building(**mine, site=site, name=name)
        )
        if row.floor_number is None:
            return building
        floor = self._have(
            index.floors,
            building.id,
            row.floor_number,
            lambda level: Floor(**mine, building=building, floor_number=level),
        )
        if row.room_number is None:
            return floor
        return self._have(
            index.rooms, floor.id, row.room_number, lambda number: Room(**mine, floor=floor, room_number=number)
        )

    def _have(self, known: Named[P], parent: UUID, name: N, make: Callable[[N], P]) -> P:
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
