"""Schools for benchmarks, and the batches of their gateways."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, cycle, islice
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from django.core.management import call_command
from django.db import connections
from uuid_utils.compat import uuid7

from apps.common.access import Grant, Principal, PrincipalKind

ROOMS: Final = 50
_SQL: Final = Path(__file__).with_name("schools.sql").read_text()
_PARTITIONED: Final = ("alert_history", "alert_events", "alert_notes")


class School(msgspec.Struct, frozen=True):
    """A school with one gateway; `devices[n]` is installed in `rooms[n]`."""

    organization_id: UUID
    gateway_id: UUID
    devices: list[str]
    rooms: list[UUID]

    @property
    def gateway(self) -> Principal:
        """The gateway's principal, as resolved by the middleware."""
        grant = Grant(self.organization_id, "gateway", frozenset({("edge_events", "create")}))
        return Principal(PrincipalKind.GATEWAY, self.gateway_id, "Gateway", {self.organization_id: grant})


def prepare_database() -> None:
    """Create the schema and this month's partitions."""
    call_command("migrate", database="owner", verbosity=0)
    with connections["system"].cursor() as cursor:
        for parent in _PARTITIONED:
            cursor.execute("SELECT partition_ensure(%s, current_date)", [parent])


def make_schools(number: int) -> list[School]:
    """Create schools, and analyze their places for the planner, as autovacuum would."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_SQL, {"schools": number, "rooms": ROOMS})
        created = [School(*row) for row in cursor.fetchall()]
        cursor.execute("ANALYZE sites, buildings, floors, rooms, devices, gateways, gateway_buildings")
    return created


def batches(school: School, size: int, *, inst: str) -> Iterator[bytes]:
    """Yield requests of one gateway: presses of its buttons in turn, each a new alert. `inst` must be new for each
    call."""
    epoch, seqs = uuid7(), count(1)
    while True:
        events = [_raised(school, inst, next(seqs)) for _ in range(size)]
        yield msgspec.json.encode({"epoch": epoch, "sent_at": datetime.now(UTC), "events": events})


def batches_in_turn(schools: Sequence[School], number: int, size: int, *, inst: str) -> list[tuple[School, bytes]]:
    """Return `number` batches, of each school in turn."""
    sources = [(school, batches(school, size, inst=inst)) for school in schools]
    return [(school, next(source)) for school, source in islice(cycle(sources), number)]


def _raised(school: School, inst: str, seq: int) -> dict[str, object]:
    device, room = school.devices[seq % len(school.devices)], school.rooms[seq % len(school.rooms)]
    now = datetime.now(UTC)
    return {
        "event_id": uuid7(),
        "kind": "alert.raised",
        "at": now,
        "alert_id": f"{device}:{inst}:{seq}",
        "device": device,
        "inst": inst,
        "seq": seq,
        "room": room,
        "type": "medical",
        "severity": "high",
        "silent": False,
        "drill": False,
        "live": True,
        "hops": {"pressed_at": now, "arrived_at": now, "stored_at": now, "acted_at": now},
        "policy": 1,
        "pattern": "single",
        "key": 1,
    }
