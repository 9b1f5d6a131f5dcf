"""A staff member on the live feed: signs in again and resumes by `seq` after each lost connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import websockets
from websockets.asyncio.client import connect

from devstack.errors import Refusal
from devstack.machine.demo import Demo
from devstack.press.cloud import Alert, Cloud, Unreachable
from tests.kit.patience import WAIT_SECONDS

AGAIN_SECONDS = 0.2
SILENCE_SECONDS = 25.0
"""The feed sends a message at least every 10 s."""


class Trouble(msgspec.Struct, frozen=True):
    """A problem that may prevent alarms."""

    kind: str


class Message(msgspec.Struct, frozen=True):
    """A message of the live feed (contracts/live)."""

    type: str
    organization: str | None = None
    epoch: str | None = None
    organizations: dict[str, int] = {}
    seq: int = 0
    at: datetime | None = None
    alert: Alert | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True)
class ReceivedMessage:
    """A message with its arrival time."""

    message: Message
    at: datetime


@dataclass
class Listener:
    """Received messages in order; `since` is the first connection's start, `listed` the list after a resync."""

    organization: str
    since: int | None = None
    received: list[ReceivedMessage] = field(default_factory=list)
    connections: int = 0
    resyncs: int = 0
    listed: set[str] = field(default_factory=set)
    epochs: set[str] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seqs(self) -> list[int]:
        """The feed seq of each message."""
        return [received.message.seq for received in self.received]

    def alerts(self) -> dict[str, ReceivedMessage]:
        """Return the first message of each alert, by alert name."""
        first: dict[str, ReceivedMessage] = {}
        for received in self.received:
            if received.message.alert is not None:
                first.setdefault(received.message.alert.alert_id, received)
        return first

    def shows(self, alert_id: str) -> bool:
        """Whether the alert was received, or listed after a resync."""
        return alert_id in self.listed or alert_id in self.alerts()

    def troubles(self) -> set[str]:
        """Return the kinds of troubles that began and have not ended."""
        standing: set[str] = set()
        for received in self.received:
            if received.message.trouble is not None:
                (standing.add if received.message.type == "device.trouble" else standing.discard)(
                    received.message.trouble.kind
                )
        return standing

    def latest(self, alert_id: str) -> Alert | None:
        """Return the latest state of an alert."""
        states = (received.message.alert for received in reversed(self.received))
        return next((alert for alert in states if alert is not None and alert.alert_id == alert_id), None)

    def record(self, message: Message) -> None:
        """Record a message."""
        if message.epoch is not None:
            self.epochs.add(message.epoch)
        match message.type:
            case "ping":
                return
            case "resync":
                self.resyncs += 1
            case "ready":
                if self.since is None:
                    self.since = message.organizations[self.organization]
                self.ready.set()
            case _:
                self.received.append(ReceivedMessage(message, datetime.now(UTC)))


@asynccontextmanager
async def listening(demo: Demo, role: str = "admin") -> AsyncIterator[Listener]:
    """Listen from now until the end of the block."""
    listener = Listener(demo.organization_id)
    task = asyncio.create_task(_listen(demo, role, listener))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await listener.ready.wait()
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _listen(demo: Demo, role: str, listener: Listener) -> None:
    address = demo.base_url.replace("http", "ws", 1) + "/ws/alerts"
    decode = msgspec.json.Decoder(Message).decode
    while True:
        with contextlib.suppress(Unreachable, Refusal, OSError, TimeoutError, websockets.WebSocketException):
            token = await asyncio.to_thread(_sign_in, demo, role)
            protocols = [websockets.Subprotocol("safesignal.v1"), websockets.Subprotocol(f"bearer.{token}")]
            async with connect(address, subprotocols=protocols, proxy=None, close_timeout=1) as line:
                listener.connections += 1
                if listener.since is not None:
                    cursor = listener.seqs[-1] if listener.received else listener.since
                    resume = {"type": "resume", "organizations": {listener.organization: cursor}}
                    await line.send(msgspec.json.encode(resume).decode())
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        message = decode(await line.recv())
                    listener.record(message)
                    if message.type == "resync":
                        listener.listed |= await asyncio.to_thread(_open_alerts, demo, role)
        await asyncio.sleep(AGAIN_SECONDS)


def _open_alerts(demo: Demo, role: str) -> set[str]:
    with Cloud(demo.base_url, demo.users[role]) as cloud:
        return {alert.alert_id for alert in cloud.open_alerts(demo.organization_id)}


def _sign_in(demo: Demo, role: str) -> str:
    with Cloud(demo.base_url, demo.users[role]) as cloud:
        return cloud.access
