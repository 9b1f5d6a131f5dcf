"""Throughput of the whole ingest service, compared with a raw COPY of the same rows.

The service decodes a request, records event ids, writes keys, history, timelines and feed under row-level security,
commits, and encodes the response. COPY writes the same rows into `alert_history` with its indexes and foreign keys, as
its owner, without row-level security. Both use synchronous_commit and one commit per batch.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from django.db import connections
from rich.progress import track

from benchmarks import place, schools
from benchmarks.child import Child, run_together
from benchmarks.figures import Bar, Figure
from benchmarks.ingest_sender import COLUMNS, Copy, Ingest, Report
from benchmarks.schools import School
from devstack.stack import engines

ALERTS_BAR = Bar(10_000)
COPY_BAR = Bar(20)
SENDER = "ingest_sender"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the ingest benchmark; `processes` 0 is one per core."""

    alerts: int
    batch: int
    schools: int
    rounds: int
    processes: int


@dataclass(frozen=True)
class Round:
    """Alerts per second by the service and by COPY."""

    service: float
    copy: float


def run(sizes: Sizes) -> list[Figure]:
    """Measure the cases in turn, round by round, so that load affects all equally; return medians."""
    processes = sizes.processes or cpu_count() or 1
    with place.running_engines():
        schools.prepare_database()
        with connections["owner"].cursor() as cursor:
            # COPY … FROM is refused while row-level security applies to the owner; the application remains subject to
            # it.
            cursor.execute("ALTER TABLE alert_history NO FORCE ROW LEVEL SECURITY")
        cases = {
            "one school": schools.make_schools(1),
            f"{sizes.schools} schools": schools.make_schools(sizes.schools),
        }
        rounds: dict[str, list[Round]] = {name: [] for name in cases}
        for _ in track(range(sizes.rounds), "ingest", transient=True):
            for name, case in cases.items():
                rounds[name].append(_round(case, sizes, processes))
    return [figure for name, measured in rounds.items() for figure in _figures(name, measured, sizes, processes)]


def _figures(name: str, rounds: Sequence[Round], sizes: Sizes, processes: int) -> list[Figure]:
    how = f"{name}, {processes} senders, batches of {sizes.batch}"
    return [
        Figure(f"ingest, {how}", median(one.service for one in rounds), "alerts/s", ALERTS_BAR),
        Figure("raw COPY of the same rows, same number of senders", median(one.copy for one in rounds), "rows/s"),
        Figure("ingest relative to COPY", median(100 * one.service / one.copy for one in rounds), "%", COPY_BAR),
    ]


def _round(case: Sequence[School], sizes: Sizes, processes: int) -> Round:
    """Fill empty tables, once by the service and once by COPY."""
    _empty()
    shares = [list(case[number::processes]) or list(case) for number in range(processes)]
    batches = max(1, round(sizes.alerts / sizes.batch / processes))
    service = _rate(
        [Child(SENDER, Ingest(share, batches, sizes.batch, secrets.token_hex(4)), Report) for share in shares]
    )
    with TemporaryDirectory(prefix="safesignal-benchmark-") as folder:
        files = [Path(folder) / str(number) for number in range(processes)]
        _dump(files)
        _empty()
        copy = _rate([Child(SENDER, Copy(str(file), sizes.batch), Report) for file in files])
    return Round(service, copy)


def _rate(children: Sequence[Child[Report]]) -> float:
    """Return alerts per second of all senders, from the first start to the last end."""
    reports = run_together(children)
    seconds = max(report.ended for report in reports) - min(report.started for report in reports)
    return sum(report.alerts for report in reports) / seconds


def _dump(files: Sequence[Path]) -> None:
    """Write the rows of alert_history to the files in blocks, in the text format of COPY."""
    with (
        connections["owner"].cursor() as cursor,
        cursor.copy(f"COPY (SELECT {COLUMNS} FROM alert_history) TO STDOUT") as copy,
    ):
        lines = b"".join(copy).splitlines(keepends=True)
    share = -(-len(lines) // len(files))
    for number, file in enumerate(files):
        file.write_bytes(b"".join(lines[number * share : (number + 1) * share]))


def _empty() -> None:
    """Empty the tables that grow with alerts, and flush pending writes."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "TRUNCATE alert_history, alert_events, alert_keys, gateway_events, feed_events, organization_heads"
        )
    engines.psql(place.PLACE, place.SECRETS, "CHECKPOINT;")
