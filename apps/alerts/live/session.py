"""One live connection, whatever its transport: events since the cursor, `ready`, then every event as it arrives.

The numbers sent to a person belong to events that all of the staff may see, or that this person was sent. So neither a
number nor its change reveals a silent alert to somebody who may not see it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec
from channels.db import database_sync_to_async

from apps.alerts.live.hub import Client, Hub, Restart, read_since
from apps.common import feed
from apps.common.db.scope import tenant_scope
from apps.common.feed import FeedMessage, Head, UnknownCursor

PING_SECONDS: Final = 10.0


class TooSlow(Exception):
    """The client does not keep up: it has to reconnect and resume."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """Where a client resumes: the last number that it received from each organization, and in which history.

    `epoch` is None from a client that does not support epochs: then only the numbers are compared.
    """

    organizations: Mapping[UUID, int] = field(default_factory=dict)
    epoch: UUID | None = None


class Mark(msgspec.Struct, frozen=True):
    """The content of `ready`, `ping` and `resync`: the history, and the number of each organization."""

    kind: str
    epoch: UUID
    positions: dict[UUID, int]


Write = Callable[[Mark], str]
"""Encodes a mark for one kind of client."""


def person_mark(mark: Mark) -> str:
    """Encode a mark as `contracts/live` specifies."""
    if mark.kind == "resync":
        ((organization, seq),) = mark.positions.items()
        return _encode({"type": mark.kind, "epoch": mark.epoch, "organization": organization, "seq": seq})
    numbers = {str(organization): seq for organization, seq in mark.positions.items()}
    return _encode({"type": mark.kind, "epoch": mark.epoch, "organizations": numbers})


def gateway_mark(mark: Mark) -> str:
    """Encode a mark as `contracts/edge_downlink` specifies: a gateway has one organization."""
    ((_, seq),) = mark.positions.items()
    return _encode({"type": mark.kind, "epoch": mark.epoch, "seq": seq})


class Session:
    """One client of the hub. `_positions` holds the numbers that were sent to the client."""

    def __init__(self, hub: Hub, client: Client, write: Write, *, shows_all_numbers: bool = False) -> None:
        self._hub = hub
        self._client = client
        self._write = write
        self._shows_all_numbers = shows_all_numbers
        """For a gateway, from which no alert of its buildings is hidden."""
        self._positions: dict[UUID, int] = {}
        self._epoch: UUID

    @property
    def cursors(self) -> Cursors:
        """Where the client can resume, once it has received everything that was sent."""
        return Cursors(self._positions, self._epoch)

    async def messages(self, cursors: Cursors) -> AsyncIterator[str]:
        """Yield the messages for the client from its cursors on, without end. Raises TooSlow."""
        try:
            heads = await self._hub.join(self._client)
            self._epoch = heads.epoch
            same_history = cursors.epoch in (None, heads.epoch)
            self._positions = {
                one: cursors.organizations[one] for one in self._client.visible if one in cursors.organizations
            }
            for organization in self._client.visible:
                async for text in self._resume(
                    organization, cursors.organizations.get(organization), heads.of(organization), same_history
                ):
                    yield text
            yield self._mark("ready", self._positions)
            async for text in self._live():
                yield text
        finally:
            self._hub.leave(self._client)

    async def _resume(
        self, organization: UUID, cursor: int | None, head: Head, same_history: bool
    ) -> AsyncIterator[str]:
        """Yield what the client missed up to `head`, or `resync`; later messages wait in its queue."""
        try:
            if cursor is not None:
                if not same_history:
                    raise UnknownCursor()
                await _require_resumable(organization, cursor)
                while cursor < head.seq:
                    page = await read_since(organization, cursor)
                    if not page:
                        raise UnknownCursor()
                    for message in page:
                        cursor = message.seq
                        if self._client.visible[organization](message.envelope):
                            yield self._message(message)
        except UnknownCursor:
            yield self._start_over(organization, head)
            return
        self._client.positions[organization] = max(head.seq, cursor or 0)
        self._advance(organization, head)

    async def _live(self) -> AsyncIterator[str]:
        with _pinging(self._client):
            while True:
                if self._client.too_slow.is_set():
                    raise TooSlow
                item = await self._client.next()
                if isinstance(item, Restart):
                    yield self._start_over(item.organization_id, item.head)
                elif item is not None:
                    yield self._message(item)
                elif self._hub.is_current:
                    yield self._ping()

    def _ping(self) -> str:
        heads = self._hub.heads(self._client)
        for organization in self._positions:
            self._advance(organization, heads.of(organization))
        return self._mark("ping", self._positions)

    def _start_over(self, organization: UUID, head: Head) -> str:
        self._epoch = self._hub.heads(self._client).epoch
        self._client.positions[organization] = head.seq
        self._positions[organization] = self._number(head)
        return self._mark("resync", {organization: self._positions[organization]})

    def _message(self, message: FeedMessage) -> str:
        self._positions[message.organization_id] = message.seq
        return message.text

    def _mark(self, kind: str, positions: Mapping[UUID, int]) -> str:
        return self._write(Mark(kind, self._epoch, dict(positions)))

    def _advance(self, organization: UUID, head: Head) -> None:
        """Advance the client to `head`, to which it has missed nothing, in numbers that reveal nothing else."""
        self._positions[organization] = max(self._positions.get(organization, 0), self._number(head))

    def _number(self, head: Head) -> int:
        return head.seq if self._shows_all_numbers else head.public_seq


@contextmanager
def _pinging(client: Client) -> Iterator[None]:
    """Ping with one timer per ping; a timeout around each message would cost more than sending it."""
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


async def _require_resumable(organization: UUID, cursor: int) -> None:
    def look() -> None:
        with tenant_scope([organization]):
            feed.require_resumable(organization, cursor)

    await database_sync_to_async(look, thread_sensitive=False)()


def _encode(message: Mapping[str, object]) -> str:
    return msgspec.json.encode(message).decode()
