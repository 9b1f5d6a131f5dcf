"""The parts put together: what runs, who tells whom, and how it starts and stops."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import httpx
import msgspec

from edge_agent.button_side import ButtonSide
from edge_agent.clock import Clock, certificate_begin
from edge_agent.configuration import ConfigurationKeeper
from edge_agent.downlink import DownlinkClient
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
"""How long the start waits for the disk. Then presses are taken without it."""
FINISH_SECONDS = 3.0
TICK_SECONDS = 10.0
STATUS_EVERY_TICKS = 30
SWEEP_EVERY_TICKS = 360


class Agent:
    """The gateway as a running program. Make it inside the event loop."""

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
        """Until `stop`; what was taken by then is carried out, and what was stored is kept for the next start."""
        self._store.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOAD_SECONDS):
                await self._loaded.wait()
        if not self._configuration.load():
            self._gateway.trouble("no_configuration", detail="every press is taken for the gravest type")
        services = [
            self._tasks.create_task(service)
            for service in (
                self._buttons.run(self._intake.put),
                self._uplink.run(self._gateway),
                self._configuration.run(),
                self._downlink.run(),
                self._beat(),
            )
        ]
        self._gateway.resume()
        log.info("the gateway runs", extra={"configuration": self._configuration.version})
        await stop.wait()
        await self._gateway.finish(FINISH_SECONDS)
        for service in services:
            service.cancel()
        await asyncio.wait(services)
        await self._store.close()
        log.info("the gateway has stopped")

    def hear(self, message: AlertCreated | AlertUpdated | Command | ConfigChanged, then: Cursor) -> None:
        """The cloud tells something (downlink)."""
        match message:
            case AlertCreated() | AlertUpdated():
                self._gateway.learn(message.alert, self._cursor(then))
                return
            case ConfigChanged():
                self._configuration.changed(message.gateway)
            case Command(command="arm_drill"):
                self._gateway.arm(message.device, message.expires_at)
            case Command():
                log.warning("unknown command", extra={"command": message.command})
        self.keep_cursor(then)

    def lost(self) -> None:
        """The cloud may be another one when it is back (downlink)."""
        self._uplink.cloud_went_away()

    def caught_up(self) -> None:
        """Look what is missing, here or there (downlink)."""
        self._uplink.cloud_came_back()
        self._configuration.changed()

    def keep_cursor(self, cursor: Cursor) -> None:
        """Where to go on after a restart (downlink)."""
        self._store.submit(*self._cursor(cursor))

    def _cursor(self, cursor: Cursor) -> Sequence[Statement]:
        """Nothing before the kept one was read: it must not be overwritten."""
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
        self._stand("store_failing", reason)

    def _linked(self, there: bool) -> None:
        if there:
            log.info("the broker is there")
        self._gateway.link(there)

    async def _beat(self) -> None:
        tick = 0
        while True:
            if tick % STATUS_EVERY_TICKS == 0:
                await self._status()
            if tick % SWEEP_EVERY_TICKS == SWEEP_EVERY_TICKS - 1 and self._clock.confirmed:
                self._gateway.sweep()
            await asyncio.sleep(TICK_SECONDS)
            await self._look_at_clock()
            self._gateway.tick()
            tick += 1

    async def _look_at_clock(self) -> None:
        self._stand("gateway_clock", self._clock.fault)
        ends = self._buttons.certificate_ends
        ended = ends is not None and self._clock.confirmed and ends < self._clock.now()
        self._stand("broker_certificate", f"it ended at {ends}" if ended else None)
        if self._clock.confirmed:
            await asyncio.to_thread(self._clock.keep_floor)

    def _stand(self, word: str, detail: str | None) -> None:
        """A trouble of the gateway that stands while there is something to say of it."""
        if detail is None:
            self._gateway.recovered(word)
        else:
            self._gateway.trouble(word, detail=detail)

    async def _status(self) -> None:
        try:
            depth = await self._store.depth()
        except Exception as error:
            log.warning("the store cannot be read", extra={"reason": str(error)})
            return
        self._gateway.status(depth, self._clock.offset)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """The gateway, from start to a clean stop."""
    line = CloudLine(settings, Clock(settings.state_dir, floor=certificate_begin(settings.mqtt_cert)))
    async with line.client() as http, asyncio.TaskGroup() as tasks:
        await Agent(settings, line, http, tasks).run(stop)
