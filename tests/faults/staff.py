"""A member of staff on the live feed: signs in again and resumes by `seq` whenever the line breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import websockets
from websockets.asyncio.client import connect

from devstack.cloud import Alert, Cloud, Unreachable
from devstack.demo import Demo
from devstack.errors import Refusal
from tests.patience import WAIT_SECONDS

AGAIN_SECONDS = 0.2
SILENCE_SECONDS = 25.0
"""The feed says something at least every 10 s."""


class Trouble(msgspec.Struct, frozen=True):
    """Something that may keep an alarm from working."""

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
class Heard:
    """A message, and when it came in."""

    message: Message
    at: datetime


@dataclass
class Listener:
    """What came in so far, in order; `since` is where the first connection began, `listed` the list after a resync."""

    organization: str
    since: int | None = None
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    resyncs: int = 0
    listed: set[str] = field(default_factory=set)
    epochs: set[str] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def seqs(self) -> list[int]:
        """The place of each message in the organization's order."""
        return [heard.message.seq for heard in self.heard]

    def alerts(self) -> dict[str, Heard]:
        """The first message of each alert, by its name."""
        found: dict[str, Heard] = {}
        for heard in self.heard:
            if heard.message.alert is not None:
                found.setdefault(heard.message.alert.alert_id, heard)
        return found

    def shows(self, alert_id: str) -> bool:
        """Whether a person knows of it: it was told, or stood in the list that is read after a resync."""
        return alert_id in self.listed or alert_id in self.alerts()

    def troubles(self) -> set[str]:
        """The kinds that began and have not ended."""
        found: set[str] = set()
        for heard in self.heard:
            if heard.message.trouble is not None:
                (found.add if heard.message.type == "device.trouble" else found.discard)(heard.message.trouble.kind)
        return found

    def latest(self, alert_id: str) -> Alert | None:
        """An alert as it was last told."""
        told = (heard.message.alert for heard in reversed(self.heard))
        return next((alert for alert in told if alert is not None and alert.alert_id == alert_id), None)

    def take(self, message: Message) -> None:
        """Write one message down."""
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
                self.heard.append(Heard(message, datetime.now(UTC)))


@asynccontextmanager
async def listening(demo: Demo, role: str = "admin") -> AsyncIterator[Listener]:
    """A listener from now on, until the end of the block."""
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
                    cursor = listener.seqs[-1] if listener.heard else listener.since
                    resume = {"type": "resume", "organizations": {listener.organization: cursor}}
                    await line.send(msgspec.json.encode(resume).decode())
                while True:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        message = decode(await line.recv())
                    listener.take(message)
                    if message.type == "resync":
                        listener.listed |= await asyncio.to_thread(_open_alerts, demo, role)
        await asyncio.sleep(AGAIN_SECONDS)


def _open_alerts(demo: Demo, role: str) -> set[str]:
    with Cloud(demo.base_url, demo.users[role]) as cloud:
        return {alert.alert_id for alert in cloud.open_alerts(demo.organization_id)}


def _sign_in(demo: Demo, role: str) -> str:
    with Cloud(demo.base_url, demo.users[role]) as cloud:
        return cloud.access
