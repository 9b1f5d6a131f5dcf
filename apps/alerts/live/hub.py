"""One hub for a process: one subscription for an organization, one text for a message, a bounded queue for a client.

A message lost on the bus is found by comparing `seq`; a bus or relay that is gone altogether, by reading the heads
from the database. So a client gets every event that it may see, in order, none twice.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from uuid import UUID

import msgspec
import redis
from channels.db import database_sync_to_async
from django.db import DatabaseError
from redis.asyncio.client import PubSub

from apps.common import bus, feed, metrics, tracing
from apps.common.feed import Envelope, FeedMessage
from apps.common.scope import tenant_scope

logger = logging.getLogger(__name__)

QUEUE_SIZE: Final = 512
"""Messages that may wait for one client; more is a client too slow to be told live."""
CHECK_SECONDS: Final = 2.0
"""How often the heads are compared with the database."""
PAGE: Final = 500

Sees = Callable[[Envelope], bool]


@dataclass(eq=False, slots=True)
class Client:
    """One socket or stream. `sees` says, for each organization, which messages are for it."""

    sees: Mapping[UUID, Sees]
    queue: asyncio.Queue[FeedMessage | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE))
    positions: dict[UUID, int] = field(default_factory=dict)
    too_slow: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, message: FeedMessage) -> None:
        """Queue a message that this client may see."""
        if not self.sees[message.organization_id](message.envelope):
            return
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.too_slow.set()

    def ping(self) -> None:
        """Have `next` return None, unless so much waits already that the client needs no ping."""
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(None)

    async def next(self) -> FeedMessage | None:
        """The next message that was not sent to this client yet; None when it is time for a ping."""
        while True:
            message = await self.queue.get()
            if message is None:
                return None
            if message.seq > self.positions[message.organization_id]:
                self.positions[message.organization_id] = message.seq
                return message


@dataclass(slots=True)
class _Channel:
    """An organization that somebody here listens to; `seq` is the last event that was handed on."""

    organization_id: UUID
    seq: int
    clients: set[Client] = field(default_factory=set)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hub:
    """Joins the live bus to the clients of this process."""

    def __init__(self) -> None:
        self._channels: dict[UUID, _Channel] = {}
        self._joining = asyncio.Lock()
        self._pubsub: PubSub | None = None
        self._checked_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: set[Client] = set()

    async def join(self, client: Client) -> dict[UUID, int]:
        """Start to queue messages for a client; the head of each of its organizations at that moment."""
        async with self._joining:
            if not self._tasks:
                self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._check())]
            new = [organization for organization in client.sees if organization not in self._channels]
            if new:
                heads = await _heads(new)
                for organization in new:
                    self._channels[organization] = _Channel(organization, heads.get(organization, 0))
                await self._subscribe(new)
            for organization in client.sees:
                self._channels[organization].clients.add(client)
        self._clients.add(client)
        metrics.live_clients.set(len(self._clients))
        for organization in client.sees:
            await self._catch_up(self._channels[organization])
        return self.heads(client)

    def leave(self, client: Client) -> None:
        """Stop queueing for a client."""
        for organization in client.sees:
            channel = self._channels.get(organization)
            if channel is not None:
                channel.clients.discard(client)
        self._clients.discard(client)
        metrics.live_clients.set(len(self._clients))

    def heads(self, client: Client) -> dict[UUID, int]:
        """The newest seq known here of each of the client's organizations."""
        return {organization: self._channels[organization].seq for organization in client.sees}

    @property
    def is_current(self) -> bool:
        """Whether the heads were compared with the database lately: else nobody may be told that all is well."""
        return time.monotonic() - self._checked_at < 3 * CHECK_SECONDS

    async def _subscribe(self, organizations: list[UUID]) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(redis.RedisError):
                await self._pubsub.subscribe(*map(bus.feed_channel, organizations))

    async def _listen(self) -> None:
        """Take messages from the bus; start over when it breaks."""
        while True:
            client = bus.async_client()
            try:
                pubsub = client.pubsub(ignore_subscribe_messages=True)
                await pubsub.subscribe(bus.feed_channel("none"))
                self._pubsub = pubsub
                # Whoever joined until now found no bus to subscribe at; whoever joins from now on does it.
                if self._channels:
                    await pubsub.subscribe(*map(bus.feed_channel, self._channels))
                for channel in list(self._channels.values()):
                    await self._catch_up(channel)
                async for raw in pubsub.listen():
                    organization = UUID(raw["channel"].decode().rpartition(":")[2])
                    await self._receive(organization, raw["data"])
            except (redis.RedisError, DatabaseError, OSError, msgspec.DecodeError, ValueError) as error:
                logger.warning("the live bus is away, reading from the database: %s", error)
            finally:
                self._pubsub = None
                await client.aclose()
            await asyncio.sleep(CHECK_SECONDS / 4)

    async def _receive(self, organization: UUID, data: bytes) -> None:
        channel = self._channels.get(organization)
        if channel is None:
            return
        message = FeedMessage.decode(organization, data)
        async with channel.busy:
            if message.seq == channel.seq + 1:
                self._hand_on(channel, message)
                return
        if message.seq > channel.seq:
            await self._catch_up(channel)

    async def _check(self) -> None:
        """Compare with the database, whatever the bus and the relay do; forget organizations nobody listens to."""
        while True:
            try:
                await self._compare()
                self._checked_at = time.monotonic()
            except (DatabaseError, OSError) as error:
                logger.warning("the heads could not be compared: %s", error)
            await asyncio.sleep(CHECK_SECONDS)

    async def _compare(self) -> None:
        heads = await _heads(list(self._channels))
        for channel in list(self._channels.values()):
            if heads.get(channel.organization_id, 0) > channel.seq:
                await self._catch_up(channel)
        async with self._joining:
            idle = [organization for organization, channel in self._channels.items() if not channel.clients]
            for organization in idle:
                del self._channels[organization]
            if idle and self._pubsub is not None:
                with contextlib.suppress(redis.RedisError):
                    await self._pubsub.unsubscribe(*map(bus.feed_channel, idle))

    async def _catch_up(self, channel: _Channel) -> None:
        async with channel.busy:
            while True:
                missing = await read_since(channel.organization_id, channel.seq)
                for message in missing:
                    self._hand_on(channel, message)
                if len(missing) < PAGE:
                    return

    @staticmethod
    def _hand_on(channel: _Channel, message: FeedMessage) -> None:
        channel.seq = message.seq
        with tracing.span("hub", parent=message.envelope.traceparent, clients=len(channel.clients)):
            for client in channel.clients:
                client.offer(message)


@cache
def hub() -> Hub:
    """The hub of this process, which runs one event loop."""
    return Hub()


async def read_since(organization: UUID, seq: int) -> list[FeedMessage]:
    """A page of an organization's events after `seq`."""

    def read() -> list[FeedMessage]:
        with tenant_scope([organization]):
            return feed.since(organization, seq, limit=PAGE)

    return await database_sync_to_async(read, thread_sensitive=False)()


async def _heads(organizations: list[UUID]) -> dict[UUID, int]:
    def read() -> dict[UUID, int]:
        with tenant_scope(organizations):
            return feed.heads()

    return await database_sync_to_async(read, thread_sensitive=False)()
