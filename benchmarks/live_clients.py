"""The screens of the live benchmark: every socket of a school in one process, which does as little as a client can.

While alerts come, a screen only notes when each chunk of bytes came in; frames and messages are read afterwards, so
that the figures are the server's and not this reader's.
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
"""Handshakes under way at one time."""
CONNECT_SECONDS: Final = 60.0
PING_BYTES: Final = 256
"""No ping is longer and no alert shorter: a thousand screens are pinged at all times, and never quiet."""
QUIET_SECONDS: Final = 1.0
"""After this long without an alert the screens are read."""
GIVE_UP_SECONDS: Final = 30.0
"""Quiet for this long, whatever is missing stays missing."""


class Screens(msgspec.Struct, frozen=True):
    """A socket for each token, at `address` (ws://…); done when each was shown `messages`."""

    address: str
    tokens: list[str]
    messages: int


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """One message on one screen: when it was written (just before COMMIT), and when it came in; Unix seconds."""

    seq: int
    written_at: float
    received_at: float


class Report(msgspec.Struct, frozen=True):
    """What each screen was shown, in the order in which it came in."""

    screens: list[list[Shown]]
    lost: int
    """Connections that ended before they were ready; like every client of ours, a screen connects again."""


class _Message(msgspec.Struct, frozen=True):
    type: str
    seq: int = 0
    at: datetime | None = None


class Screen(asyncio.Protocol):
    """One socket. Once it is ready it keeps chunks with their time, and reads nothing until `shown`."""

    def __init__(self, address: str, token: str) -> None:
        protocols = [Subprotocol("safesignal.v1"), Subprotocol(f"bearer.{token}")]
        self._frames = ClientProtocol(parse_uri(address), subprotocols=protocols)
        self._chunks: list[tuple[float, bytes]] = []
        self._shown: list[Shown] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but for its name
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
            self.ready.set_exception(exc or ConnectionResetError("a screen lost its connection"))

    def shown(self) -> list[Shown]:
        """All messages so far."""
        for at, data in self._chunks:
            self._read(at, data)
        self._chunks.clear()
        return self._shown

    def _read(self, at: float, data: bytes) -> None:
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Response):
                self._frames.send_text(b'{"type":"resume","organizations":{}}')
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                message = msgspec.json.decode(event.data, type=_Message)
                if message.at is not None:
                    self._shown.append(Shown(message.seq, message.at.timestamp(), at))
                elif message.type == "ready" and not self.ready.done():
                    self.ready.set_result(None)
            elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
                self.connection_lost(ConnectionError(f"a screen was shut out: {event}"))
        self._flush()

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            self._transport.write(data)


async def _watch(job: Screens) -> Report:
    server = urlsplit(job.address)
    gate = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()
    lost = 0

    async def opened(token: str) -> Screen:
        nonlocal lost
        async with gate, asyncio.timeout(CONNECT_SECONDS):
            while True:
                _, screen = await loop.create_connection(
                    lambda: Screen(job.address, token), server.hostname or "", server.port or 0
                )
                try:
                    await screen.ready
                except ConnectionResetError:
                    lost += 1
                else:
                    return screen

    screens = await asyncio.gather(*map(opened, job.tokens))
    child.ready()
    began = time.time()
    while True:
        await asyncio.sleep(QUIET_SECONDS / 4)
        quiet = time.time() - max(began, *(screen.last_at for screen in screens))
        if quiet > GIVE_UP_SECONDS or (quiet > QUIET_SECONDS and _complete(screens, job.messages)):
            return Report([screen.shown() for screen in screens], lost)


def _complete(screens: Sequence[Screen], messages: int) -> bool:
    return all(len(screen.shown()) >= messages for screen in screens)


def main() -> None:
    """Connect, wait for the word, watch, report."""
    child.say(msgspec.json.encode(uvloop.run(_watch(child.job(Screens)))))
