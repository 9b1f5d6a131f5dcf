"""The uplink's two lanes to the cloud, for fresh events and for the backlog; devices take turns in both."""

import asyncio
import contextlib
import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime

import httpx
import msgspec

from edge_agent import times
from edge_agent.backoff import Backoff
from edge_agent.gateway import Gateway
from edge_agent.messages.cloud import Answer, Result
from edge_agent.order import Outgoing
from edge_agent.store import statements
from edge_agent.store.backlog import Busy, Row
from edge_agent.store.statements import Statement
from edge_agent.store.store import Kept, Store
from edge_agent.uplink.credentials import Credentials
from edge_agent.uplink.fresh import EACH_AT_ONCE, Fresh
from edge_agent.uplink.sender import Sender, UnavailableError

log = logging.getLogger(__name__)

BACKLOG_AT_ONCE = 25
"""Small enough that the cloud answers well within the timeout and fresh events wait little for its locks."""
LOOK_AGAIN_SECONDS = 30.0
TRIES_APART_SECONDS = 0.2
RETRY_SECONDS = 0.5
"""Delay before an event with the result `retry` is sent again: its alert is locked in the cloud."""
FRESH_REQUESTS = 3
"""Concurrent requests of fresh events, each for other devices: a slow response delays only its own."""
OLDER_AT_ONCE = 20
"""Maximum backlog events of an alert that are sent ahead of its fresh ones in a request."""
OLDER_SECONDS = 1.0
"""How long a fresh alert waits for the disk to return its events in the backlog."""


class Uplink:
    """Drops an event only after the cloud has returned its result. `epoch` identifies this store to the cloud."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        store: Store,
        *,
        clock: Callable[[], datetime] = times.now,
    ) -> None:
        self.epoch = str(uuid.uuid4())
        self._sender = Sender(http, credentials, self, clock)
        self._store, self._clock = store, clock
        self._fresh = Fresh()
        self._busy: set[str] = set()
        """The devices whose alerts are in a request under way."""
        self._resting: dict[str, str | None] = {}
        """Event and alert of events to be retried, until they are sent again."""
        self._offered, self._due = asyncio.Event(), asyncio.Event()
        self._confirmed: str | None = None
        self._answered: set[str] = set()
        self._lost = False
        self._to_check: str | None = None
        self._canary: str | None = None
        self._gateway: Gateway | None = None

    def load(self, kept: Kept) -> None:
        """Restore the stored state of the uplink."""
        self.epoch = kept.epoch
        self._confirmed = self._to_check = kept.confirmed
        self._fresh.lagging |= kept.waiting
        self._due.set()

    def offer(self, events: Sequence[Outgoing]) -> None:
        """Send these before older events."""
        for out in events:
            row = Row(out.event.event_id, out.event.about, msgspec.json.encode(out.event))
            self._fresh.hold(row, out.stored)
        self._offered.set()

    async def run(self, gateway: Gateway) -> None:
        """Send for as long as the gateway runs."""
        self._gateway = gateway
        async with asyncio.TaskGroup() as lanes:
            for _ in range(FRESH_REQUESTS):
                lanes.create_task(self._lane(self._send_fresh, self._pause_until_pressed, greatest=5.0))
            lanes.create_task(self._lane(self._send_backlog, asyncio.sleep, greatest=15.0))

    def cloud_went_away(self) -> None:
        """Check confirmed events after the next reconnection: the cloud may have been restored from a backup."""
        self._to_check = self._to_check or self._confirmed

    def cloud_came_back(self) -> None:
        """Check whether the cloud still has what it confirmed."""
        self.cloud_went_away()
        self._due.set()

    async def _lane(
        self, step: Callable[[], Awaitable[None]], pause: Callable[[float], Awaitable[None]], *, greatest: float
    ) -> None:
        backoff, logged = Backoff(greatest=greatest), False
        while True:
            try:
                await step()
            except (UnavailableError, sqlite3.Error) as error:
                if not logged:
                    log.warning("forwarding has stopped", extra={"reason": str(error)})
                logged = True
                self.cloud_went_away()
                if isinstance(error, UnavailableError) and error.hopeless:
                    backoff.slow_down()
                await pause(backoff.wait())
            except Exception:
                log.exception("a lane failed")
                await asyncio.sleep(backoff.wait())
            else:
                if logged:
                    log.info("forwarding has resumed")
                    self.cloud_came_back()
                logged = False
                backoff.reset()

    async def _pause_until_pressed(self, seconds: float) -> None:
        """Wait, but retry as soon as there is a new event."""
        await asyncio.sleep(TRIES_APART_SECONDS)
        self._offered.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._offered.wait()

    async def _send_fresh(self) -> None:
        rows = self._fresh.next(self._busy | self._resting.keys() | self._resting_alerts)
        if not rows:
            self._offered.clear()
            await self._offered.wait()
            return
        with self._speaking_for(rows):
            rows = await self._with_older(rows)
            try:
                await self._sender.send(rows)
            except UnavailableError:
                self._fresh.cloud_is_away()
                raise

    @contextlib.contextmanager
    def _speaking_for(self, rows: Sequence[Row]) -> Iterator[None]:
        """Reserve the devices of these rows for one request, which keeps the order of their alerts; other requests
        serve other devices."""
        devices = {row.device for row in rows}
        self._busy |= devices
        try:
            yield
        finally:
            self._busy -= devices
            self._offered.set()
            self._due.set()

    async def _with_older(self, rows: Sequence[Row]) -> list[Row]:
        """Return these events and, ahead of them, the waiting ones of the same alerts; if there are many, only a part
        of those."""
        chosen: list[Row] = []
        alerts: dict[str | None, list[Row]] = {}
        for row in rows:
            alerts.setdefault(row.alert_id, []).append(row)
        for alert_id, held in alerts.items():
            older = await self._older(alert_id, held[0].event_id) if alert_id in self._fresh.lagging else []
            if older is None:
                chosen += [row for row in held if row.is_press_event]
                continue
            chosen += older[:OLDER_AT_ONCE]
            if len(older) <= OLDER_AT_ONCE:
                chosen += held
        if not chosen:
            raise UnavailableError("the disk did not return the events that precede these")
        return sorted(chosen, key=lambda row: row.event_id)

    async def _older(self, alert_id: str | None, event_id: str) -> list[Row] | None:
        """Return older waiting events, or None if the disk does not answer: then only press events may be sent, from
        which the cloud can raise an alert."""
        if alert_id is None:
            return []
        try:
            async with asyncio.timeout(OLDER_SECONDS):
                limit = OLDER_AT_ONCE + 1 + len(self._answered)
                older = await self._store.before(alert_id, event_id, limit, self._clock())
        except Exception as error:
            log.warning("older events of an alert cannot be read", extra={"reason": str(error) or type(error).__name__})
            return None
        return [row for row in older if row.event_id not in self._answered]

    async def _send_backlog(self) -> None:
        if self._to_check is not None:
            await self._check_memory_of_cloud(self._to_check)
        moved = self._fresh.moved
        self._due.clear()
        if self._lost:
            self._lost = False
            self._fresh.lagging |= await self._store.waiting()
        busy = Busy(self._fresh.ids | self._answered | self._resting.keys(), self._fresh.alerts | self._resting_alerts)
        due = await self._store.due(BACKLOG_AT_ONCE, EACH_AT_ONCE, busy, self._clock())
        rows = [row for row in due.rows if row.device not in self._busy and row.alert_id not in self._fresh.alerts]
        if rows:
            with self._speaking_for(rows):
                await self._sender.send(rows)
            return
        if moved == self._fresh.moved and not due.rows and not due.skipped:
            self._fresh.lagging.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await self._due.wait()

    async def _check_memory_of_cloud(self, event_id: str) -> None:
        """Send a confirmed event again: if it is new to the cloud, the cloud was restored. Its watermark does not show
        that once a fresh event has been stored there."""
        row = await self._store.row(event_id)
        if row is not None:
            self._canary = event_id
            await self._sender.send([row])
        self._to_check = None

    @property
    def confirmed(self) -> str | None:
        """The greatest event id that the cloud has confirmed."""
        return self._confirmed

    def answered(self, rows: Sequence[Row], answer: Answer, confirmed_before: str | None) -> None:
        """Record the result of each event, and detect whether the cloud lost events."""
        now, everything = self._clock(), list(zip(rows, answer.results, strict=True))
        self._rest([row for row, result in everything if result.result == "retry"])
        results = [(row, result) for row, result in everything if result.result != "retry"]
        self._write_down(
            [row for row, _ in results],
            *(statements.forwarded(row.event_id, result.result, now) for row, result in results),
        )
        for row, result in results:
            if result.result == "quarantined":
                log.warning("the cloud quarantined an event", extra={"id": row.event_id, "reason": result.reason})
        kept = [row for row, result in results if result.result != "quarantined"]
        self._follow_watermark(results, answer.watermark, confirmed_before)
        if kept:
            self._confirmed = max(self._confirmed or "", *(row.event_id for row in kept))
        if self._gateway is not None:
            self._gateway.forwarded(row.alert_id for row in kept if row.alert_id is not None)

    @property
    def _resting_alerts(self) -> set[str]:
        return {alert for alert in self._resting.values() if alert is not None}

    def _rest(self, rows: Sequence[Row]) -> None:
        """Retry these events a little later; until then they delay only their own alerts."""
        if not rows:
            return
        log.info("the cloud requests a retry of events", extra={"count": len(rows)})
        self._resting |= {row.event_id: row.alert_id for row in rows}

        def wake() -> None:
            for row in rows:
                self._resting.pop(row.event_id, None)
            self._offered.set()
            self._due.set()

        asyncio.get_running_loop().call_later(RETRY_SECONDS, wake)

    def refused(self, row: Row, status: int) -> None:
        """Put an event aside for an hour, and report a trouble."""
        log.error("the cloud refuses an event", extra={"id": row.event_id, "status": status})
        self._write_down([row], statements.refused(row.event_id, self._clock()))
        if self._gateway is not None:
            self._gateway.trouble("event_refused", detail=f"the cloud returns {status} for event {row.event_id}")

    def _write_down(self, rows: Sequence[Row], *writes: Statement) -> None:
        """Record results; until they are on the disk, memory keeps these events from being sent again."""
        ids = {row.event_id for row in rows}
        self._fresh.settle(ids)
        self._answered |= ids
        self._store.submit(*writes).add_done_callback(lambda _: self._answered.difference_update(ids))

    def _follow_watermark(
        self, results: Sequence[tuple[Row, Result]], watermark: str | None, confirmed_before: str | None
    ) -> None:
        """Send events again if the gateway or the cloud was restored from a backup and lacks what the other has."""
        if self._gateway is not None and watermark is not None and watermark > self._gateway.ids.last:
            log.warning("this store is older than the events known to the cloud: starting a new epoch")
            self.epoch = str(uuid.uuid4())
            self._store.submit(statements.meta("epoch", self.epoch))
            self._send_again(None)
        elif any(row.event_id == self._canary and result.result == "stored" for row, result in results):
            log.warning("the cloud has lost events that it confirmed")
            self._send_again(None)
        elif (watermark or "") < min(confirmed_before or "", self._confirmed or ""):
            log.warning("the cloud's watermark moved back", extra={"watermark": watermark})
            self._send_again(watermark)

    def _send_again(self, after: str | None) -> None:
        self._confirmed, self._canary = after, None
        self._store.submit(statements.due_again(after)).add_done_callback(lambda _: self._due.set())
        self._lost = True
