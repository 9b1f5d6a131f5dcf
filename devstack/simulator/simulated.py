"""A simulated button: the behaviour of the firmware, with a file as flash and log lines as LED.

It keeps its counter and unsent presses on disk, repeats a press until the gateway confirms `stored` (at least every
5 s), and shows "not sent, use another way" if that takes longer than 5 s. A silent key shows nothing at all.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import msgspec

from contracts import topics
from devstack.machine.paths import write_private
from devstack.machine.pki import Identity, instance

TOPICS = topics()
CONTRACT = 1
FIRMWARE = "simulated-1"
KEEPALIVE_SECONDS = 15
HEALTH_SECONDS = 60.0
FIRST_REPEAT_SECONDS = 0.5
LONGEST_REPEAT_SECONDS = 5.0
NOT_SENT_SECONDS = 5.0
# Presses of this key must not be visible to bystanders.
SILENT_KEY = 5


class Press(msgspec.Struct, frozen=True):
    """A press in the button's flash, kept until the gateway has stored it."""

    seq: int
    pattern: str
    key: int | None
    at: datetime
    boot: int
    uptime_ms: int


class Flash(msgspec.Struct):
    """The state that survives a restart of the button."""

    inst: str
    seq: int = 0
    boot: int = 0
    unsent: list[Press] = msgspec.field(default_factory=list)


class PressMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A press message (contracts/press)."""

    v: int
    device: str
    inst: str
    seq: int
    boot: int
    uptime_ms: int
    age_ms: int | None
    pattern: str
    at: str
    clock: str
    key: int | msgspec.UnsetType = msgspec.UNSET
    batt_mv: int | msgspec.UnsetType = msgspec.UNSET


class HealthMessage(msgspec.Struct, frozen=True):
    """A health report of the button (contracts/health)."""

    v: int
    device: str
    boot: int
    uptime_ms: int
    free_heap: int
    presses: int
    fw: str
    power: str


class Acknowledgement(msgspec.Struct, frozen=True):
    """The gateway's response to a press (contracts/ack)."""

    inst: str
    seq: int
    state: str


@dataclass
class Waiting:
    """A press of this process; the future completes with the time of its `stored` confirmation."""

    press: Press
    stored: asyncio.Future[datetime] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SimulatedButton:
    """A button. `connected()` holds its connection; `press()` works with or without one."""

    def __init__(self, identity: Identity, folder: Path, port: int, ca: Path, show: Callable[[str], None]) -> None:
        self._identity = identity
        self._file = folder / f"{identity.name}.json"
        self._port = port
        self._ca = ca
        self._show = show
        self._started = time.monotonic()
        self._wake = asyncio.Event()
        self._waiting: dict[int, Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.online = asyncio.Event()
        self._flash = self._boot()

    def _boot(self) -> Flash:
        try:
            flash = msgspec.json.decode(self._file.read_bytes(), type=Flash)
        except FileNotFoundError:
            flash = Flash(inst="")
        inst = instance(self._identity)
        if flash.inst != inst:
            # Another key pair is another instance, with a new counter; its presses repeat none of the old ones.
            flash = Flash(inst=inst)
        flash.boot += 1
        self._keep(flash)
        return flash

    def _keep(self, flash: Flash) -> None:
        write_private(self._file, msgspec.json.encode(flash))

    @property
    def inst(self) -> str:
        """The instance, derived from the key pair."""
        return self._flash.inst

    def press(self, pattern: str, key: int | None) -> Waiting:
        """Count and store a press, then send it."""
        self._flash.seq += 1
        at = datetime.now(UTC)
        uptime = int((time.monotonic() - self._started) * 1000)
        waiting = Waiting(Press(self._flash.seq, pattern, key, at, self._flash.boot, uptime))
        self._flash.unsent.append(waiting.press)
        self._keep(self._flash)
        self._waiting[waiting.press.seq] = waiting
        self._wake.set()
        self._watch(waiting)
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Give up a press: its person has chosen another way."""
        self._waiting.pop(waiting.press.seq, None)
        waiting.stored.cancel()
        self._flash.unsent = [press for press in self._flash.unsent if press.seq != waiting.press.seq]
        self._keep(self._flash)

    def _watch(self, waiting: Waiting) -> None:
        """Show a press on the LED."""

        async def led() -> None:
            done, _ = await asyncio.wait({waiting.stored}, timeout=NOT_SENT_SECONDS)
            if not done:
                self._show(f"press {waiting.press.seq}: not sent, use another way")
                await asyncio.wait({waiting.stored})
            if not waiting.stored.cancelled():
                self._show(f"press {waiting.press.seq}: stored")

        if waiting.press.key != SILENT_KEY:
            task = asyncio.create_task(led())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Connect, and reconnect for as long as the button has power."""
        pause = FIRST_REPEAT_SECONDS
        while True:
            try:
                async with self.connected():
                    pause = FIRST_REPEAT_SECONDS
                    end_if_cancelled()
                    await asyncio.Event().wait()
            except* (aiomqtt.MqttError, OSError) as group:
                self._show(f"no connection: {group.exceptions[0]}")
            # A task group that is cancelled while one of its tasks fails raises only the failure.
            end_if_cancelled()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (spreads reconnects, guards nothing)
            pause = min(pause * 2, LONGEST_REPEAT_SECONDS)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Hold a connection with its tasks; raise an error when it breaks."""
        state = TOPICS["state"].of(self._identity.name)
        client = aiomqtt.Client(
            "127.0.0.1",
            self._port,
            identifier=self._identity.name,
            clean_session=False,
            keepalive=KEEPALIVE_SECONDS,
            tls_context=self._tls(),
            will=aiomqtt.Will(state, b"offline", qos=1, retain=True),
            timeout=5,
        )
        async with client:
            await client.subscribe([(TOPICS[message].of(self._identity.name), 1) for message in ("ack", "cmd")])
            await client.publish(state, b"online", qos=1, retain=True)
            self.online.set()
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(task(client)) for task in (self._listen, self._send, self._report)]
                    try:
                        yield
                    finally:
                        for task in tasks:
                            task.cancel()
            finally:
                self.online.clear()
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(state, b"offline", qos=1, retain=True)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._ca))
        context.load_cert_chain(self._identity.certificate, self._identity.key)
        return context

    async def _send(self, client: aiomqtt.Client) -> None:
        """Send unconfirmed presses, and repeat them until they are confirmed."""
        pause = FIRST_REPEAT_SECONDS
        tried: set[int] = set()
        while True:
            self._wake.clear()
            for press in list(self._flash.unsent):
                await client.publish(TOPICS["press"].of(self._identity.name), self._body(press), qos=1)
                end_if_cancelled()
                if press.seq not in tried:
                    pause = FIRST_REPEAT_SECONDS
                tried.add(press.seq)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if self._flash.unsent else None):
                    await self._wake.wait()
            pause = min(pause * 2, LONGEST_REPEAT_SECONDS)

    def _body(self, press: Press) -> bytes:
        known_age = press.boot == self._flash.boot
        age = int((time.monotonic() - self._started) * 1000) - press.uptime_ms
        return msgspec.json.encode(
            PressMessage(
                v=CONTRACT,
                device=self._identity.name,
                inst=self._flash.inst,
                seq=press.seq,
                boot=press.boot,
                uptime_ms=press.uptime_ms,
                age_ms=age if known_age else None,
                pattern=press.pattern,
                at=_wire(press.at),
                clock="ntp",
                key=msgspec.UNSET if press.key is None else press.key,
            )
        )

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if message.topic.matches("+/+/+/+/ack") and isinstance(message.payload, bytes):
                self._acknowledged(message.payload)
            else:
                self._show(f"command: {message.payload!r}")

    def _acknowledged(self, body: bytes) -> None:
        try:
            answer = msgspec.json.decode(body, type=Acknowledgement)
        except msgspec.DecodeError:
            self._show("an invalid response was ignored")
            return
        if answer.inst != self._flash.inst or answer.state != "stored":
            return
        left = [press for press in self._flash.unsent if press.seq != answer.seq]
        if len(left) != len(self._flash.unsent):
            now = datetime.now(UTC)
            self._flash.unsent = left
            self._keep(self._flash)
            waiting = self._waiting.pop(answer.seq, None)
            if waiting is not None and not waiting.stored.done():
                waiting.stored.set_result(now)

    async def _report(self, client: aiomqtt.Client) -> None:
        """Report health every minute, as a mains-powered button."""
        while True:
            uptime = int((time.monotonic() - self._started) * 1000)
            name = self._identity.name
            report = HealthMessage(
                CONTRACT, name, self._flash.boot, uptime, 180_000, self._flash.seq, FIRMWARE, "mains"
            )
            await client.publish(TOPICS["health"].of(name), msgspec.json.encode(report), qos=0)
            end_if_cancelled()
            await asyncio.sleep(HEALTH_SECONDS)


def end_if_cancelled() -> None:
    """Work around asyncio.wait_for of Python 3.11, used by aiomqtt, which loses a cancellation that coincides with its
    result."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _wire(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
