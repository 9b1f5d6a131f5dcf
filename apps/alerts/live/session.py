"""One live connection, whatever carries it: what came since the cursor, `ready`, then everything as it comes.

The numbers that a person is told are of events that everybody on the staff may know of, or that this person was sent:
so neither a number nor its change reveals a silent alert to somebody who may not see it.
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
    """The client does not keep up: it reconnects and resumes."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """Where a client goes on: the last number that it was told of each organization, and in which history.

    `epoch` is None from a client that does not know of epochs: the numbers alone are compared then.
    """

    organizations: Mapping[UUID, int] = field(default_factory=dict)
    epoch: UUID | None = None


class Mark(msgspec.Struct, frozen=True):
    """What `ready`, `ping` and `resync` say: in which history, and the number of each organization."""

    kind: str
    epoch: UUID
    positions: dict[UUID, int]


Write = Callable[[Mark], str]
"""How a mark is written for one kind of client."""


def person_mark(mark: Mark) -> str:
    """As `contracts/live` has it."""
    if mark.kind == "resync":
        ((organization, seq),) = mark.positions.items()
        return _encode({"type": mark.kind, "epoch": mark.epoch, "organization": organization, "seq": seq})
    numbers = {str(organization): seq for organization, seq in mark.positions.items()}
    return _encode({"type": mark.kind, "epoch": mark.epoch, "organizations": numbers})


def gateway_mark(mark: Mark) -> str:
    """As `contracts/edge_downlink` has it: a gateway has one organization."""
    ((_, seq),) = mark.positions.items()
    return _encode({"type": mark.kind, "epoch": mark.epoch, "seq": seq})


class Session:
    """One client of the hub. `told` holds the numbers that the client knows."""

    def __init__(self, hub: Hub, client: Client, write: Write, *, shows_all_numbers: bool = False) -> None:
        self._hub = hub
        self._client = client
        self._write = write
        self._shows_all_numbers = shows_all_numbers
        """For a gateway, from which no alert of its buildings is kept."""
        self._told: dict[UUID, int] = {}
        self._epoch: UUID

    @property
    def cursors(self) -> Cursors:
        """Where the client may go on, once what was sent has arrived."""
        return Cursors(self._told, self._epoch)

    async def messages(self, cursors: Cursors) -> AsyncIterator[str]:
        """What the client is sent, from its cursors on, for ever. Raises TooSlow."""
        try:
            heads = await self._hub.join(self._client)
            self._epoch = heads.epoch
            same_history = cursors.epoch in (None, heads.epoch)
            self._told = {one: cursors.organizations[one] for one in self._client.sees if one in cursors.organizations}
            for organization in self._client.sees:
                async for text in self._resume(
                    organization, cursors.organizations.get(organization), heads.of(organization), same_history
                ):
                    yield text
            yield self._mark("ready", self._told)
            async for text in self._live():
                yield text
        finally:
            self._hub.leave(self._client)

    async def _resume(
        self, organization: UUID, cursor: int | None, head: Head, same_history: bool
    ) -> AsyncIterator[str]:
        """What the client missed up to `head`, or `resync`; what comes after waits in its queue."""
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
                        if self._client.sees[organization](message.envelope):
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
        for organization in self._told:
            self._advance(organization, heads.of(organization))
        return self._mark("ping", self._told)

    def _start_over(self, organization: UUID, head: Head) -> str:
        self._epoch = self._hub.heads(self._client).epoch
        self._client.positions[organization] = head.seq
        self._told[organization] = self._number(head)
        return self._mark("resync", {organization: self._told[organization]})

    def _message(self, message: FeedMessage) -> str:
        self._told[message.organization_id] = message.seq
        return message.text

    def _mark(self, kind: str, positions: Mapping[UUID, int]) -> str:
        return self._write(Mark(kind, self._epoch, dict(positions)))

    def _advance(self, organization: UUID, head: Head) -> None:
        """Nothing for this client came up to `head`: it may know so, in numbers that say no more."""
        self._told[organization] = max(self._told.get(organization, 0), self._number(head))

    def _number(self, head: Head) -> int:
        return head.seq if self._shows_all_numbers else head.public_seq


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


async def _require_resumable(organization: UUID, cursor: int) -> None:
    def look() -> None:
        with tenant_scope([organization]):
            feed.require_resumable(organization, cursor)

    await database_sync_to_async(look, thread_sensitive=False)()


def _encode(message: Mapping[str, object]) -> str:
    return msgspec.json.encode(message).decode()
