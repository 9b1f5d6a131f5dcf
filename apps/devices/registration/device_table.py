"""The CSV table of devices: one line per hardware id, with the room of the device.

`claim_code` is imported and never exported: it proves the ownership of a new device once (`claims.py`).
"""

import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from apps.common.access import Principal, require
from apps.common.csv.tables import Column, Table, one_of, text, whole
from apps.devices.models import Device, DeviceStatus
from contracts import grammar

CHUNK: Final = 500
LARGEST: Final = 2**31 - 1
PLACE: Final = ("site", "building", "floor_number", "room_number")
VALUES: Final = ("device_type", "power", "serial_number", "hardware_version", "mac_address")
_HARDWARE_ID: Final = re.compile(grammar("device_id"), re.ASCII)
_CLAIM_CODE: Final = re.compile(r"[0-9A-Z]{12,64}", re.ASCII)
"""At least 60 bits in base 32: too many to guess through an import."""
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", re.ASCII)


class DeviceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Empty place cells take the device out of its room; without these columns it stays there."""

    device_id: str
    site: str | UnsetType | None = UNSET
    building: str | UnsetType | None = UNSET
    floor_number: int | UnsetType | None = UNSET
    room_number: str | UnsetType | None = UNSET
    device_type: str | UnsetType | None = UNSET
    power: str | UnsetType | None = UNSET
    serial_number: str | UnsetType | None = UNSET
    hardware_version: str | UnsetType | None = UNSET
    mac_address: str | UnsetType | None = UNSET
    claim_code: str | UnsetType | None = UNSET

    @property
    def values(self) -> dict[str, object]:
        """Values of the file's columns other than id and place, by field; None for an empty cell."""
        named = {name: getattr(self, name) for name in VALUES}
        return {name: value for name, value in named.items() if value is not UNSET}


def hardware_id(cell: str) -> str:
    """Validate a device id, as the device's certificate names it. Raises ValueError."""
    if not _HARDWARE_ID.fullmatch(cell):
        raise ValueError("Not a hardware id: ss- and 4 to 60 lower-case letters and digits.")
    return cell


def claim_code(cell: str) -> str:
    """Normalize the code in a device's box: capitals and digits, no spaces or hyphens. Raises ValueError."""
    plain = re.sub(r"[\s-]", "", cell).upper()
    if not _CLAIM_CODE.fullmatch(plain):
        raise ValueError("Not a code: 12 to 64 letters and digits.")
    return plain


def _mac(cell: str) -> str:
    if not _MAC.fullmatch(cell):
        raise ValueError("Not a MAC address: six pairs of hexadecimal digits, with colons between them.")
    return cell.lower()


DEVICES: Final = Table(
    [
        Column("device_id", hardware_id, is_required=True),
        Column("site", text(200)),
        Column("building", text(200)),
        Column("floor_number", whole(-LARGEST - 1, LARGEST)),
        Column("room_number", text(50)),
        Column("device_type", one_of(("button", "sensor"))),
        Column("power", one_of(("mains", "battery"))),
        Column("serial_number", text(100)),
        Column("hardware_version", text(50)),
        Column("mac_address", _mac),
        Column("claim_code", claim_code),
    ],
    DeviceLine,
)


def exported_devices(*, principal: Principal, organization_id: UUID) -> Iterator[str]:
    """Stream all devices that are not decommissioned as CSV. Raises NotFound, Forbidden before the first line."""
    require(principal, organization_id, "exports", "read")
    require(principal, organization_id, "devices", "read")
    return _stream(organization_id)


def _stream(organization_id: UUID) -> Iterator[str]:
    yield DEVICES.head
    last = ""
    while devices := _devices(organization_id, last):
        yield from DEVICES.write(map(_line, devices))
        last = devices[-1].device_id


def _devices(organization_id: UUID, after: str) -> list[Device]:
    return list(
        Device.objects.filter(organization_id=organization_id, device_id__gt=after)
        .exclude(status=DeviceStatus.DECOMMISSIONED)
        .select_related("room__floor__building__site")
        .order_by("device_id")[:CHUNK]
    )


def _line(device: Device) -> DeviceLine:
    values = {name: getattr(device, name) for name in VALUES}
    room = device.room
    if room is None:
        place = dict.fromkeys(PLACE)
    else:
        building = room.floor.building
        place = dict(
            zip(PLACE, (building.site.name, building.name, room.floor.floor_number, room.room_number), strict=True)
        )
    return msgspec.convert({"device_id": device.device_id} | place | values, DeviceLine)
