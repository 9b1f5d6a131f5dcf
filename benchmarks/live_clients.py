"""The screens of the live benchmark: all sockets of a school in one process, with as little work as possible.

During alerts a screen only records the arrival time of each chunk of bytes; frames and messages are parsed afterwards,
so that the figures are those of the server and not of this client.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from benchmarks import child

AT_ONCE: Final = 50
"""Maximum number of concurrent handshakes."""
CONNECT_SECONDS: Final = 60.0
PING_BYTES: Final = 256
"""No ping is longer and no alert shorter; a thousand screens receive pings continuously, so they are never quiet."""
QUIET_SECONDS: Final = 1.0
"""After this time without an alert the screens are parsed."""
GIVE_UP_SECONDS: Final = 30.0
"""After this time without an alert, missing ones are not expected any more."""


class Screens(msgspec.Struct, frozen=True):
    """One socket per token at `address` (ws://…); done when each has received `messages`."""

    address: str
    tokens: list[str]
    messages: int


class ReceivedMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message on one screen: its commit time (just before COMMIT) and its arrival; Unix seconds."""

    seq: int
    written_at: float
    received_at: float


class Report(msgspec.Struct, frozen=True):
    """The messages of each screen, in order of arrival."""

    screens: list[list[ReceivedMessage]]


class _Message(msgspec.Struct, frozen=True):
    type: str
    seq: int = 0
    at: datetime | None = None


class Screen(asyncio.Protocol):
    """A socket. Once ready, it stores chunks with their time, and parses nothing until `shown`."""

    def __init__(self, address: str, token: str) -> None:
        protocols = [Subprotocol("safesignal.v1"), Subprotocol(f"bearer.{token}")]
        self._frames = ClientProtocol(parse_uri(address), subprotocols=protocols)
        self._chunks: list[tuple[float, bytes]] = []
        self._received: list[ReceivedMessage] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class does not inherit from it
        self._frames.send_request(self._frames.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        at = time.time()
        if len(data) > PING_BYTES:
            self.last_at = at
        if self.ready.done():
            self._chunks.append((at, data))
        else:
            self._read(at, data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("a screen lost its connection"))

    def received(self) -> list[ReceivedMessage]:
        """Return all messages so far."""
        for at, data in self._chunks:
            self._read(at, data)
        self._chunks.clear()
        return self._received

    def _read(self, at: float, data: bytes) -> None:
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Response):
                self._frames.send_text(b'{"type":"resume","organizations":{}}')
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                message = msgspec.json.decode(event.data, type=_Message)
                if message.at is not None:
                    self._received.append(ReceivedMessage(message.seq, message.at.timestamp(), at))
                elif message.type == "ready" and not self.ready.done():
                    self.ready.set_result(None)
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.connection_lost(ConnectionError(f"a screen was disconnected: {event}"))
        self._flush()

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            self._transport.write(data)


async def _watch(job: Screens) -> Report:
    server = urlsplit(job.address)
    gate = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def opened(token: str) -> Screen:
        async with gate, asyncio.timeout(CONNECT_SECONDS):
            _, screen = await loop.create_connection(
                lambda: Screen(job.address, token), server.hostname or "", server.port or 0
            )
            await screen.ready
            return screen

    screens = await asyncio.gather(*map(opened, job.tokens))
    child.ready()
    began = time.time()
    while True:
        await asyncio.sleep(QUIET_SECONDS / 4)
        quiet = time.time() - max(began, *(screen.last_at for screen in screens))
        if quiet > GIVE_UP_SECONDS or (quiet > QUIET_SECONDS and _complete(screens, job.messages)):
            return Report([screen.received() for screen in screens])


def _complete(screens: Sequence[Screen], messages: int) -> bool:
    return all(len(screen.received()) >= messages for screen in screens)


def main() -> None:
    """Connect, wait for the start signal, watch and report."""
    child.say(msgspec.json.encode(uvloop.run(_watch(child.job(Screens)))))
