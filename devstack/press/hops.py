"""The result of a press, as a line of JSON or as a table of its hops."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from rich.table import Table

from devstack.press.watch import FeedLine


class Result(msgspec.Struct, frozen=True):
    """A line of `--json`: milliseconds since the press; null for hops not reached."""

    device: str
    seq: int
    alert_id: str | None
    stored_ms: float | None
    committed_ms: float | None
    shown_ms: float | None


@dataclass(frozen=True)
class PressReport:
    """A press with everything known about it."""

    result: Result
    pressed_at: datetime
    stored_at: datetime | None
    arrival: FeedLine | None


def result_of(
    device: str, seq: int, inst: str, pressed_at: datetime, stored_at: datetime | None, arrival: FeedLine | None
) -> Result:
    """Build the result of a press."""
    alert_id = f"{device}:{inst}:{seq}" if stored_at is not None else None
    if arrival is not None and arrival.alert is not None:
        alert_id = arrival.alert.alert_id
    return Result(
        device=device,
        seq=seq,
        alert_id=alert_id,
        stored_ms=_since(pressed_at, stored_at),
        committed_ms=_since(pressed_at, arrival.at if arrival else None),
        shown_ms=_since(pressed_at, arrival.received_at if arrival else None),
    )


def _since(start: datetime, moment: datetime | None) -> float | None:
    return None if moment is None else round((moment - start).total_seconds() * 1000, 1)


def hops(one: PressReport) -> Table:
    """Build the table of one press."""
    alert = one.arrival.alert if one.arrival else None
    kind = (
        f"{alert.alert_type}{' DRILL' if alert.is_drill else ''}{' SILENT' if alert.is_silent else ''}"
        if alert
        else "?"
    )
    table = Table(title=f"{one.result.device}  press {one.result.seq}  {kind}", title_justify="left")
    table.add_column("hop")
    table.add_column("time (UTC)")
    table.add_column("ms since the press", justify="right")
    first = alert is not None and alert.presses == 1
    known = alert.hops if alert is not None and first else None
    for name, moment in (
        ("pressed", one.pressed_at),
        ("arrived at the gateway", known.arrived_at if known else None),
        ("on the gateway's disk", known.stored_at if known else None),
        ("confirmed to the button: stored", one.stored_at),
        ("received by the cloud", known.received_at if known else None),
        ("committed in the cloud", one.arrival.at if one.arrival else None),
        ("on a staff member's screen", one.arrival.received_at if one.arrival else None),
    ):
        since = _since(one.pressed_at, moment)
        table.add_row(
            name, moment.strftime("%H:%M:%S.%f")[:-3] if moment else "-", "-" if since is None else f"{since:.1f}"
        )
    return table


def summary(reports: list[PressReport]) -> Table:
    """Build a table with median and 99th percentile of several presses."""
    table = Table(title=f"{len(reports)} presses", title_justify="left")
    for heading in ("ms since the press", "p50", "p99", "missing"):
        table.add_column(heading, justify="right")
    for name in ("stored_ms", "committed_ms", "shown_ms"):
        values = sorted(value for one in reports if (value := getattr(one.result, name)) is not None)
        if values:
            p50, p99 = values[len(values) // 2], values[min(len(values) - 1, int(len(values) * 0.99))]
            table.add_row(name.removesuffix("_ms"), f"{p50:.1f}", f"{p99:.1f}", str(len(reports) - len(values)))
    return table
