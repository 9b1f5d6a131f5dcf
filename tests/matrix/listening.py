"""Callers that listen to a live endpoint for as long as they may, and the messages that they receive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.kit.patience import WAIT_SECONDS
from tests.kit.server import Server
from tests.matrix.callers import Caller

RESUME = {"person": '{"type":"resume","organizations":{}}', "gateway": '{"type":"resume","cursor":null}'}
SECONDS = 2 * WAIT_SECONDS


@dataclass
class Listener:
    """The messages of one caller; `refused` is the close code or the status of the refusal."""

    caller: Caller
    endpoint: str
    refused: int | None = None
    texts: list[str] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Refused, or notified that all further events will be sent."""

    def receive(self, text: str) -> None:
        self.texts.append(text)
        if '"type":"ready"' in text:
            self.settled.set()

    def has_received(self, id_: str) -> bool:
        return any(id_ in text for text in self.texts)

    def __str__(self) -> str:
        return f"{self.caller} at {self.endpoint}"


@asynccontextmanager
async def listening(server: Server, listeners: list[tuple[Listener, str | None]]) -> AsyncIterator[None]:
    """Connect all listeners at once; on entry each is either refused or ready."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_listen(server, listener, token)) for listener, token in listeners]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(listener.settled.wait() for listener, _ in listeners))
        yield
        for task in tasks:
            task.cancel()


async def _listen(server: Server, listener: Listener, token: str | None) -> None:
    listen_by = _by_socket if listener.endpoint.startswith("/ws/") else _by_stream
    await listen_by(server, listener, {"authorization": f"Bearer {token}"} if token else {})


async def _by_socket(server: Server, listener: Listener, headers: dict[str, str]) -> None:
    first = RESUME["gateway" if listener.endpoint == "/ws/edge" else "person"]
    protocols = [Subprotocol("safesignal.v1")]
    async with connect(
        f"{server.socket_url}{listener.endpoint}",
        subprotocols=protocols,
        additional_headers=headers,
        open_timeout=SECONDS,
        ping_timeout=SECONDS,
    ) as socket:
        try:
            await socket.send(first)
            while True:
                listener.receive(str(await socket.recv()))
        except ConnectionClosed as closed:
            listener.refused = closed.rcvd.code if closed.rcvd else -1
            listener.settled.set()


async def _by_stream(server: Server, listener: Listener, headers: dict[str, str]) -> None:
    async with (
        httpx.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", f"{server.url}{listener.endpoint}", headers=headers) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            listener.refused = answer.status_code
            listener.settled.set()
            return
        async for line in answer.aiter_lines():
            listener.receive(line)
