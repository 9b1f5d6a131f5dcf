"""Import of devices from a table, all lines or none.

Unknown devices are registered, known devices get the values of their lines, and no device is removed. The audit trail
gets one row with counts for the whole import.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone
from msgspec import UNSET
from psycopg.errors import ForeignKeyViolation

from apps.common.access import Principal, require
from apps.common.changes import record_change
from apps.common.csv.endpoints import Imported
from apps.common.csv.tables import BadCell, Faults, Line
from apps.common.db.scope import rolled_back_if
from apps.common.problems import NotFound
from apps.devices.audit_actions import AuditAction
from apps.devices.models import Device, DeviceStatus
from apps.devices.registration import claims
from apps.devices.registration.device_table import DEVICES, VALUES, DeviceLine
from apps.devices.services import DeviceTaken
from apps.tenancy import selectors as tenancy
from apps.tenancy.models import Room
from apps.tenancy.places.place_index import PlaceIndex

BATCH: Final = 500
"""Rows per UPDATE."""
NOT_PROVED: Final = "Give the code that is printed in the box of this device; a lost one is replaced by the platform."
DEFAULTS: Final[Mapping[str, object]] = {"device_type": "button", "power": "mains"}


def import_devices(*, actor: Principal, organization_id: UUID, body: bytes, dry_run: bool = False) -> Imported:
    """Create and update the devices of an organization from a table.

    Raises NotFound (a room was deleted meanwhile), Forbidden, CsvRefused, DeviceTaken (a serial number is in use).
    """
    for action in ("create", "update"):
        require(actor, organization_id, "devices", action)
    lines = DEVICES.read(body)
    tenancy.existing_organization(organization_id, lock=True)  # one import at a time
    plan = _Import(organization_id)
    plan.read(lines)
    done = plan.counts
    with rolled_back_if(dry_run):
        try:
            plan.write()
        except IntegrityError as error:
            raise (NotFound if isinstance(error.__cause__, ForeignKeyViolation) else DeviceTaken)() from None
        record_change(
            actor=actor,
            action=AuditAction.DEVICES_IMPORTED,
            target_kind="organization",
            target_id=organization_id,
            organization_id=organization_id,
            resource="devices",
            created=done.created,
            updated=done.updated,
            unchanged=done.unchanged,
        )
    return done


class _Import:
    """The changes that the lines of one table require, collected before any is written."""

    def __init__(self, organization_id: UUID) -> None:
        self._organization = organization_id
        self._places = PlaceIndex(organization_id)
        self._known = {one.device_id: one for one in Device.objects.filter(organization_id=organization_id)}
        self._faults = Faults()
        self._lines: dict[str, int] = {}
        self._created: dict[UUID, Device] = {}
        self._updated: list[Device] = []
        self._renumbered: set[UUID] = set()
        self._codes: dict[str, str | None] = {}
        self._unchanged = 0

    def read(self, lines: Iterable[Line[DeviceLine]]) -> None:
        """Collect the changes of all lines. Raises CsvRefused."""
        for line in lines:
            first = self._lines.setdefault(line.row.device_id, line.number)
            if first != line.number:
                self._faults.add(line.number, "device_id", f"The same device as in line {first}.")
                continue
            try:
                self._read_row(line.row)
            except BadCell as error:
                self._faults.add(line.number, error.column, str(error))
        self._check_serial_numbers()
        self._faults.refuse()

    def write(self) -> None:
        """Write the collected changes. Raises CsvRefused for a device that belongs to another organization."""
        self._check_claims()
        # Every statement must keep serial numbers unique: release those that may move to another device first.
        Device.objects.filter(organization_id=self._organization, id__in=self._renumbered).update(serial_number=None)
        Device.objects.bulk_create(self._created.values(), ignore_conflicts=True)
        stored = set(Device.objects.filter(id__in=self._created).values_list("id", flat=True))
        for id_, device in self._created.items():
            if id_ not in stored:
                problem = f"{DeviceTaken.default_detail} Its serial number may be in use too."
                self._faults.add(self._lines[device.device_id], "device_id", problem)
        self._faults.refuse()
        now = timezone.now()
        for device in self._updated:
            device.updated_at = now
        Device.objects.bulk_update(self._updated, [*VALUES, "room", "updated_at"], batch_size=BATCH)

    def _check_serial_numbers(self) -> None:
        """Report devices that would share a serial number after the whole import; two may swap theirs."""
        owners: dict[str, str] = {}
        named = (*self._known.values(), *self._created.values())
        for device in sorted(named, key=lambda one: self._lines.get(one.device_id, 0)):
            if device.serial_number is None:
                continue
            first = owners.setdefault(device.serial_number, device.device_id)
            if first != device.device_id:
                line = self._lines[device.device_id]
                self._faults.add(line, "serial_number", f"{first} has this serial number.")

    def _check_claims(self) -> None:
        """Check that each new device belongs to the organization. Raises CsvRefused."""
        outcomes = claims.claim(organization_id=self._organization, codes=self._codes)
        for device_id, outcome in outcomes.items():
            if not claims.is_accepted(outcome):
                self._faults.add(self._lines[device_id], "claim_code", NOT_PROVED)
        self._faults.refuse()

    @property
    def counts(self) -> Imported:
        """How many devices are created, updated and unchanged."""
        return Imported(len(self._created), len(self._updated), self._unchanged)

    def _read_row(self, row: DeviceLine) -> None:
        """Collect the changes of one line. Raises BadCell."""
        device = self._known.get(row.device_id)
        is_new = device is None
        if device is None:
            device = Device(organization_id=self._organization, device_id=row.device_id, status=DeviceStatus.INACTIVE)
        elif device.status == DeviceStatus.DECOMMISSIONED:
            raise BadCell("device_id", "This device is decommissioned.")
        before = (device.room_id, *(getattr(device, name) for name in VALUES))
        serial_number = device.serial_number
        for name, value in row.values.items():
            setattr(device, name, DEFAULTS.get(name) if value is None else value)
        if row.site is not UNSET:
            device.room = self._room(row)
        elif any(getattr(row, column) not in (None, UNSET) for column in ("building", "floor_number", "room_number")):
            raise BadCell("site", "Name the site too.")
        if is_new:
            self._created[device.id] = device
            self._codes[row.device_id] = None if row.claim_code is UNSET else row.claim_code
        elif before != (device.room_id, *(getattr(device, name) for name in VALUES)):
            self._updated.append(device)
            if serial_number != device.serial_number:
                self._renumbered.add(device.id)
        else:
            self._unchanged += 1

    def _room(self, row: DeviceLine) -> Room | None:
        """Return the room that a line names, or None if its cells are empty. Raises BadCell."""
        names = {"site": row.site, "building": row.building, "floor_number": row.floor_number}
        given = {name: None if value is UNSET else value for name, value in names.items()}
        room_number = None if row.room_number is UNSET else row.room_number
        if room_number is None and all(value is None for value in given.values()):
            return None
        site, building, floor_number = given.values()
        if not isinstance(site, str):
            raise BadCell("site", "Name the site too.")
        building = building if isinstance(building, str) else None
        return self._places.room(site, building, floor_number if isinstance(floor_number, int) else None, room_number)
