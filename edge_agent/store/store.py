"""The store's interface: one writer and one reader, both outside the event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent import standing
from edge_agent.decision.state import Alert
from edge_agent.messages.cloud import Cursor
from edge_agent.messages.press import PressId
from edge_agent.store import backlog, presses
from edge_agent.store.backlog import Busy, Due, Row
from edge_agent.store.presses import Buttons, PressLookup
from edge_agent.store.schema import open_reader
from edge_agent.store.statements import Statement
from edge_agent.store.writer import Writer

Read = TypeVar("Read")
CLOSED_AT_MOST = 5000
"""How many closed alerts are read at startup: those that a late press could still belong to."""


class _Since(msgspec.Struct):
    since: datetime


_alert_decoder = msgspec.json.Decoder(Alert)
_cursor_decoder = msgspec.json.Decoder(Cursor)
_since_decoder = msgspec.json.Decoder(_Since)


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored state at startup. `greatest` is the last event id ever issued."""

    epoch: str
    cursor: Cursor
    greatest: str | None
    confirmed: str | None
    seen: Buttons
    alerts: list[Alert]
    troubles: list[standing.Kept]
    refused: int
    """The number of refused events, which are retried."""
    waiting: frozenset[str]
    """The alerts with events waiting for the cloud."""


class Store:
    """`on_open` is called in the loop whenever the file was opened."""

    def __init__(self, folder: Path, *, on_open: Callable[[], None], on_health: Callable[[str | None], None]) -> None:
        self._path = folder / "gateway.sqlite3"
        self._writer = Writer(self._path, on_open=on_open, on_health=on_health)
        self._turn = ""
        self._reader = ThreadPoolExecutor(max_workers=2, thread_name_prefix="store-reader")

    def start(self) -> None:
        """Start the writer; wait for `on_open` before reading."""
        self._writer.start()

    def submit(self, *writes: Statement) -> asyncio.Future[None]:
        """Write all of these in one transaction; the future completes when they are on the disk, however long that
        takes."""
        return self._writer.submit(writes)

    async def close(self, seconds: float = 5.0) -> None:
        """Write pending statements and stop."""
        await self._writer.close(seconds)
        self._reader.shutdown(wait=False)

    async def load(self) -> Kept:
        """Read the stored state."""
        return await self._read(_load)

    async def due(self, limit: int, each: int, busy: Busy, now: datetime) -> Due:
        """Return the next events for the cloud: those of alerts first, in order per alert, a few per device in turn, so
        that a flood of one device does not delay the others."""
        due, self._turn = await self._read(
            lambda connection: backlog.due(connection, limit, each, busy, now, self._turn)
        )
        return due

    async def before(self, alert_id: str, event_id: str, limit: int, now: datetime) -> list[Row]:
        """Return the first events of an alert that wait for the cloud and are older than `event_id`."""
        return await self._read(lambda connection: backlog.of_alert(connection, alert_id, limit, now, before=event_id))

    async def row(self, event_id: str) -> Row | None:
        """Return one event, forwarded or not."""

        def read(connection: sqlite3.Connection) -> Row | None:
            row = connection.execute(
                "SELECT event_id, alert_id, payload FROM outbox WHERE event_id = ?", (event_id,)
            ).fetchone()
            return None if row is None else Row(*row)

        return await self._read(read)

    async def find_press(self, press_id: PressId) -> PressLookup:
        """Look up a press and the greatest seq of its button."""
        return await self._read(lambda connection: presses.find(connection, press_id))

    async def waiting(self) -> frozenset[str]:
        """Return the alerts with events waiting for the cloud."""
        return await self._read(_waiting)

    async def depth(self) -> int:
        """Return the number of events waiting for the cloud."""

        def read(connection: sqlite3.Connection) -> int:
            return int(connection.execute("SELECT count(*) FROM outbox WHERE forwarded_at IS NULL").fetchone()[0])

        return await self._read(read)

    async def _read(self, read: Callable[[sqlite3.Connection], Read]) -> Read:
        def run() -> Read:
            connection = open_reader(self._path)
            try:
                return read(connection)
            finally:
                connection.close()

        return await asyncio.get_running_loop().run_in_executor(self._reader, run)


def _load(connection: sqlite3.Connection) -> Kept:
    facts = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    return Kept(
        epoch=facts["epoch"],
        cursor=_cursor(facts),
        greatest=_one(connection, "SELECT max(event_id) FROM outbox"),
        confirmed=_one(
            connection,
            "SELECT event_id FROM outbox WHERE result IN ('stored', 'repeat') ORDER BY event_id DESC LIMIT 1",
        ),
        seen=presses.known_buttons(connection),
        alerts=_alerts(connection),
        troubles=_troubles(connection),
        refused=int(
            connection.execute(
                "SELECT count(*) FROM outbox WHERE result = 'refused' AND forwarded_at IS NULL"
            ).fetchone()[0]
        ),
        waiting=_waiting(connection),
    )


def _cursor(facts: dict[str, str]) -> Cursor:
    if "downlink" in facts:
        return _cursor_decoder.decode(facts["downlink"])
    return Cursor(int(facts["cursor"])) if "cursor" in facts else Cursor()


def _alerts(connection: sqlite3.Connection) -> list[Alert]:
    """Read the open alerts and the most recently closed ones."""
    still_open = connection.execute("SELECT body FROM alerts WHERE closed_at IS NULL")
    closed = connection.execute(
        "SELECT body FROM alerts WHERE closed_at IS NOT NULL ORDER BY closed_at DESC LIMIT ?", (CLOSED_AT_MOST,)
    )
    return [_alert_decoder.decode(body) for rows in (still_open, closed) for (body,) in rows]


def _troubles(connection: sqlite3.Connection) -> list[standing.Kept]:
    return [
        standing.Kept(device or None, kind, _since_decoder.decode(body).since)
        for device, kind, body in connection.execute("SELECT device, trouble, body FROM troubles")
    ]


def _waiting(connection: sqlite3.Connection) -> frozenset[str]:
    rows = connection.execute(
        "SELECT DISTINCT alert_id FROM outbox WHERE forwarded_at IS NULL AND alert_id IS NOT NULL"
    )
    return frozenset(alert_id for (alert_id,) in rows)


def _one(connection: sqlite3.Connection, sql: str) -> str | None:
    row = connection.execute(sql).fetchone()
    return None if row is None or row[0] is None else str(row[0])
