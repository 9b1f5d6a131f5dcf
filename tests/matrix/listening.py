"""Somebody who listens to a live door for as long as they may, and what they heard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.cloud.server import Server
from tests.matrix.callers import Caller
from tests.patience import WAIT_SECONDS

RESUME = {"person": '{"type":"resume","organizations":{}}', "gateway": '{"type":"resume","cursor":null}'}
SECONDS = 2 * WAIT_SECONDS


@dataclass
class Listener:
    """What one caller heard; `refused` is the close code or the status that they were sent away with."""

    caller: Caller
    door: str
    refused: int | None = None
    texts: list[str] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Refused, or told that everything from now on will be sent."""

    def heard(self, text: str) -> None:
        self.texts.append(text)
        if '"type":"ready"' in text:
            self.settled.set()

    def heard_of(self, id_: str) -> bool:
        return any(id_ in text for text in self.texts)

    def __str__(self) -> str:
        return f"{self.caller} at {self.door}"


@asynccontextmanager
async def listening(server: Server, listeners: list[tuple[Listener, str | None]]) -> AsyncIterator[None]:
    """All of them at once, each refused or ready when this is entered."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_listen(server, listener, token)) for listener, token in listeners]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(listener.settled.wait() for listener, _ in listeners))
        yield
        for task in tasks:
            task.cancel()


async def _listen(server: Server, listener: Listener, token: str | None) -> None:
    how = _by_socket if listener.door.startswith("/ws/") else _by_stream
    await how(server, listener, {"authorization": f"Bearer {token}"} if token else {})


async def _by_socket(server: Server, listener: Listener, headers: dict[str, str]) -> None:
    first = RESUME["gateway" if listener.door == "/ws/edge" else "person"]
    protocols = [Subprotocol("safesignal.v1")]
    async with connect(
        f"{server.socket_url}{listener.door}",
        subprotocols=protocols,
        additional_headers=headers,
        open_timeout=SECONDS,
        ping_timeout=SECONDS,
    ) as socket:
        try:
            await socket.send(first)
            while True:
                listener.heard(str(await socket.recv()))
        except ConnectionClosed as closed:
            listener.refused = closed.rcvd.code if closed.rcvd else -1
            listener.settled.set()


async def _by_stream(server: Server, listener: Listener, headers: dict[str, str]) -> None:
    async with (
        httpx.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", f"{server.url}{listener.door}", headers=headers) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            listener.refused = answer.status_code
            listener.settled.set()
            return
        async for line in answer.aiter_lines():
            listener.heard(line)
