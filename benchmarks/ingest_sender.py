"""A sender of the ingest benchmark: sends batches through the service, or COPYs the rows written by it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import psycopg
from django.db import connections
from django.utils import timezone

from apps.alerts.ingest import service
from apps.common.db.scope import tenant_scope
from benchmarks import child
from benchmarks.schools import School, batches_in_turn

COLUMNS: Final = (
    "id, alert_id, organization_id, device_id, room_id, triggered_at, severity, alert_type, status, source, metadata,"
    " gateway_id, hardware_id, site_id, building_id, place, is_drill, is_silent, is_late, is_unattributed,"
    " received_at, last_pressed_at, hops, approvals_required"
)
"""The columns that ingest writes; all others have defaults."""
WARM_UP: Final = 2
"""Batches before the measurement, which open connections and plan statements."""


class Ingest(msgspec.Struct, frozen=True, tag="ingest"):
    """Send `batches` requests of `size` events, of each gateway in turn. `inst` is new for each job."""

    schools: list[School]
    batches: int
    size: int
    inst: str


class Copy(msgspec.Struct, frozen=True, tag="copy"):
    """COPY a file (text format, one row per line) into alert_history, `size` rows per transaction."""

    file: str
    size: int


class Report(msgspec.Struct, frozen=True):
    """Start and end in seconds of the machine's monotonic clock, and the number of alerts."""

    started: float
    ended: float
    alerts: int


def main() -> None:
    """Prepare, wait, run and report."""
    job = child.job(Ingest | Copy)  # type: ignore[arg-type]  # msgspec accepts a union, which is not a class
    report = _ingest(job) if isinstance(job, Ingest) else _copy(job)
    child.say(msgspec.json.encode(report))


def _ingest(job: Ingest) -> Report:
    requests = batches_in_turn(job.schools, job.batches + WARM_UP, job.size, inst=job.inst)
    for school, body in requests[:WARM_UP]:
        _send(school, body)
    child.ready()
    started = time.monotonic()
    for school, body in requests[WARM_UP:]:
        _send(school, body)
    return Report(started, time.monotonic(), job.batches * job.size)


def _send(school: School, body: bytes) -> None:
    """Process a request like the endpoint, from its body to the body of the response."""
    with tenant_scope([school.organization_id]):
        answer = service.ingest(gateway=school.gateway, request=service.parse(body), received_at=timezone.now())
    msgspec.json.encode(answer)
    if any(result.result != "stored" for result in answer.results):
        raise RuntimeError(f"not every event of the batch was stored: {answer.results[0]}")


def _copy(job: Copy) -> Report:
    blocks = list(_blocks(Path(job.file).read_bytes().splitlines(keepends=True), job.size))
    connections["owner"].ensure_connection()
    connection: psycopg.Connection = connections["owner"].connection
    child.ready()
    started = time.monotonic()
    rows = 0
    for block in blocks:
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(f"COPY alert_history ({COLUMNS}) FROM STDIN") as copy:
                copy.write(block)
            rows += cursor.rowcount
    return Report(started, time.monotonic(), rows)


def _blocks(lines: list[bytes], size: int) -> Iterator[bytes]:
    for start in range(0, len(lines), size):
        yield b"".join(lines[start : start + size])
