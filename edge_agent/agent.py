"""Composition of the gateway: its services, how they are wired, and how they start and stop."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence

import httpx
import msgspec

from edge_agent.button_side import ButtonSide
from edge_agent.clock import Clock, certificate_begin
from edge_agent.downlink.configuration import ConfigurationKeeper
from edge_agent.downlink.downlink import DownlinkClient
from edge_agent.gateway import Gateway
from edge_agent.intake import Intake
from edge_agent.messages.cloud import AlertCreated, AlertUpdated, Command, ConfigChanged, Cursor
from edge_agent.settings import Settings
from edge_agent.store import statements
from edge_agent.store.statements import Statement
from edge_agent.store.store import Store
from edge_agent.uplink.cloud import CloudLine
from edge_agent.uplink.credentials import Credentials
from edge_agent.uplink.uplink import Uplink

log = logging.getLogger(__name__)

LOAD_SECONDS = 5.0
"""How long startup waits for the disk before presses are accepted without it."""
FINISH_SECONDS = 3.0
CANCEL_AGAIN_SECONDS = 1.0
TICK_SECONDS = 10.0
STATUS_EVERY_TICKS = 30
SWEEP_EVERY_TICKS = 360


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until each has ended: a library may swallow a cancellation that arrives together with its result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)


class Agent:
    """The running gateway. Create it inside the event loop."""

    def __init__(self, settings: Settings, line: CloudLine, http: httpx.AsyncClient, tasks: asyncio.TaskGroup) -> None:
        self._tasks, self._clock = tasks, line.clock
        self._loaded = asyncio.Event()
        clock = self._clock.now
        credentials = Credentials(settings, http, clock=clock)
        self._buttons = ButtonSide(settings, on_link=self._linked)
        self._store = Store(settings.state_dir, on_open=self._opened, on_health=self._health)
        self._uplink = Uplink(http, credentials, self._store, clock=clock)
        self._gateway = Gateway(
            disk=self._store, building=self._buttons, cloud=self._uplink, tasks=tasks, clock=self._clock.instant
        )
        self._gateway.state.seen.complete = False
        self._intake = Intake(self._gateway.receive, self._gateway.flooded)
        self._configuration = ConfigurationKeeper(settings, http, credentials, self._gateway.configure)
        self._downlink = DownlinkClient(settings, credentials, self, line.tls)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`. Accepted presses are completed; stored events are kept for the next start."""
        self._store.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOAD_SECONDS):
                await self._loaded.wait()
        if not self._configuration.load():
            self._gateway.trouble("no_configuration", detail="every press raises an alert of the gravest type")
        services = [
            self._tasks.create_task(service)
            for service in (
                self._buttons.run(self._intake.put),
                self._uplink.run(self._gateway),
                self._configuration.run(),
                self._downlink.run(),
                self._heartbeat(),
            )
        ]
        self._gateway.resume()
        log.info("the gateway is running", extra={"configuration": self._configuration.version})
        await stop.wait()
        await self._gateway.finish(FINISH_SECONDS)
        await end(services)
        await self._store.close()
        log.info("the gateway has stopped")

    def handle(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        """Handle a message from the cloud (downlink)."""
        match message:
            case AlertCreated() | AlertUpdated():
                self._gateway.apply_document(message.alert, self._cursor(then))
                return
            case ConfigChanged():
                self._configuration.changed(message.gateway)
            case Command(command="arm_drill"):
                self._gateway.arm(message.device, message.expires_at)
            case Command():
                log.warning("unknown command", extra={"command": message.command})
        self.keep_cursor(then)

    def lost(self) -> None:
        """Verify the cloud's state after the next reconnection, as it may have been restored meanwhile (downlink)."""
        self._uplink.cloud_went_away()

    def caught_up(self) -> None:
        """Check for missing events and a newer configuration (downlink)."""
        self._uplink.cloud_came_back()
        self._configuration.changed()

    def keep_cursor(self, cursor: Cursor) -> None:
        """Store the position to resume from after a restart (downlink)."""
        self._store.submit(*self._cursor(cursor))

    def _cursor(self, cursor: Cursor) -> Sequence[Statement]:
        """Return no statement before the stored cursor was loaded, so that it is not overwritten."""
        if not self._loaded.is_set():
            return ()
        return [statements.meta("downlink", msgspec.json.encode(cursor).decode())]

    def _opened(self) -> None:
        self._tasks.create_task(self._load())

    async def _load(self) -> None:
        try:
            kept = await self._store.load()
        except Exception:
            log.exception("the store cannot be read")
            return
        self._gateway.load(kept)
        self._uplink.load(kept)
        self._loaded.set()
        if kept.cursor.cursor is not None:
            await self._downlink.resume_from(kept.cursor)
        elif self._downlink.cursor.cursor is not None:
            self.keep_cursor(self._downlink.cursor)

    def _health(self, reason: str | None) -> None:
        self._set_trouble("store_failing", reason)

    def _linked(self, there: bool) -> None:
        if there:
            log.info("connected to the broker")
        self._gateway.link(there)

    async def _heartbeat(self) -> None:
        tick = 0
        while True:
            if tick % STATUS_EVERY_TICKS == 0:
                await self._status()
            if tick % SWEEP_EVERY_TICKS == SWEEP_EVERY_TICKS - 1 and self._clock.confirmed:
                self._gateway.sweep()
            await asyncio.sleep(TICK_SECONDS)
            await self._check_clock()
            self._gateway.tick()
            tick += 1

    async def _check_clock(self) -> None:
        self._set_trouble("gateway_clock", self._clock.fault)
        ends = self._buttons.certificate_ends
        ended = ends is not None and self._clock.confirmed and ends < self._clock.now()
        self._set_trouble("broker_certificate", f"it ended at {ends}" if ended else None)
        if self._clock.confirmed:
            await asyncio.to_thread(self._clock.keep_floor)

    def _set_trouble(self, kind: str, detail: str | None) -> None:
        """Begin a trouble of the gateway, or end it when there is no detail to report."""
        if detail is None:
            self._gateway.recovered(kind)
        else:
            self._gateway.trouble(kind, detail=detail)

    async def _status(self) -> None:
        try:
            depth = await self._store.depth()
        except Exception as error:
            log.warning("the store cannot be read", extra={"reason": str(error)})
            return
        self._gateway.status(depth, self._clock.offset)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run the gateway from start to a clean stop."""
    line = CloudLine(settings, Clock(settings.state_dir, floor=certificate_begin(settings.mqtt_cert)))
    async with line.client() as http, asyncio.TaskGroup() as tasks:
        await Agent(settings, line, http, tasks).run(stop)
