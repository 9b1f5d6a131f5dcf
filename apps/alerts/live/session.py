"""One live connection, whatever carries it: what came since the cursor, `ready`, then everything as it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import msgspec

from apps.alerts.live.hub import Client, Hub, read_since
from apps.common.feed import RESUME_WINDOW, FeedMessage

PING_SECONDS: Final = 10.0


class TooSlow(Exception):
    """The client does not keep up: it reconnects and resumes."""


Mark = Callable[[str, Mapping[UUID, int]], str]
"""How `ready`, `ping` and `resync` are written, with the seq of each organization."""


def person_mark(kind: str, positions: Mapping[UUID, int]) -> str:
    """As `contracts/live` has it."""
    if kind == "resync":
        ((organization, seq),) = positions.items()
        return _encode({"type": kind, "organization": organization, "seq": seq})
    return _encode({"type": kind, "organizations": {str(organization): seq for organization, seq in positions.items()}})


def gateway_mark(kind: str, positions: Mapping[UUID, int]) -> str:
    """As `contracts/edge_downlink` has it: a gateway has one organization."""
    ((_, seq),) = positions.items()
    return _encode({"type": kind, "seq": seq})


async def messages(hub: Hub, client: Client, cursors: Mapping[UUID, int], mark: Mark) -> AsyncIterator[str]:
    """The texts that a client is sent, from its cursors on, for ever. Raises TooSlow."""
    try:
        heads = await hub.join(client)
        for organization, head in heads.items():
            cursor = cursors.get(organization, head)
            client.positions[organization] = cursor
            if cursor > head or head - cursor > RESUME_WINDOW:
                client.positions[organization] = head
                yield mark("resync", {organization: head})
                continue
            async for message in _since(client, organization, cursor, head):
                yield message.text
        yield mark("ready", client.positions)
        async for text in _live(hub, client, mark):
            yield text
    finally:
        hub.leave(client)


async def _since(client: Client, organization: UUID, cursor: int, head: int) -> AsyncIterator[FeedMessage]:
    """What the client missed up to `head`; what comes after waits in its queue."""
    while cursor < head:
        page = await read_since(organization, cursor)
        if not page:
            return
        for message in page:
            cursor = message.seq
            client.positions[organization] = cursor
            if client.sees[organization](message.envelope):
                yield message


async def _live(hub: Hub, client: Client, mark: Mark) -> AsyncIterator[str]:
    with _pinging(client):
        while True:
            if client.too_slow.is_set():
                raise TooSlow
            message = await client.next()
            if message is not None:
                yield message.text
            elif hub.is_current:
                yield mark("ping", hub.heads(client))


@contextmanager
def _pinging(client: Client) -> Iterator[None]:
    """One timer for each ping; a time-out around each message would cost more than sending it."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def start() -> None:
        nonlocal timer
        timer = loop.call_later(PING_SECONDS, tick)

    def tick() -> None:
        client.ping()
        start()

    start()
    try:
        yield
    finally:
        timer.cancel()


def _encode(message: Mapping[str, object]) -> str:
    return msgspec.json.encode(message).decode()
