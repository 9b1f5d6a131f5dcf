"""One hub per process: one subscription per organization, one text per message, a bounded queue per client.

Each message carries the number of the one before it, which reveals a message lost on the bus; reading the heads from
the database reveals that the bus or the relay is down. So a client gets every event visible to it, in order and once.
If a restore or failover of the database lost events that were already sent (another epoch, or the last event is
missing), every client of the organization is sent a `Restart`.
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

from apps.common import feed, valkey
from apps.common.db.scope import tenant_scope
from apps.common.feed import PUBLIC, Envelope, FeedMessage, Head, Heads, UnknownCursor, bus
from apps.common.observability import metrics, tracing

logger = logging.getLogger(__name__)

QUEUE_SIZE: Final = 512
"""Messages that may wait for one client; a client with more is too slow for the live feed."""
CHECK_SECONDS: Final = 2.0
"""Seconds between comparisons of the heads with the database."""
PAGE: Final = 500

IsVisible = Callable[[Envelope], bool]


@dataclass(frozen=True, slots=True)
class Restart:
    """An organization's feed has a new history: the client reads its state again and continues from here."""

    organization_id: UUID
    head: Head


@dataclass(eq=False, slots=True)
class Client:
    """One socket or stream. `visible` selects the messages visible to it, for each organization."""

    visible: Mapping[UUID, IsVisible]
    queue: asyncio.Queue[FeedMessage | Restart | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE))
    positions: dict[UUID, int] = field(default_factory=dict)
    """The position up to which this client has been sent every message visible to it."""
    too_slow: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, item: FeedMessage | Restart) -> None:
        """Queue a message if it is visible to this client."""
        if isinstance(item, FeedMessage) and not self.visible[item.organization_id](item.envelope):
            return
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.too_slow.set()

    def ping(self) -> None:
        """Make `next` return None, unless so many messages wait that the client needs no ping."""
        with contextlib.suppress(asyncio.QueueFull):
            self.queue.put_nowait(None)

    async def next(self) -> FeedMessage | Restart | None:
        """Return the next message not yet sent to this client, or a `Restart`; None means that a ping is due."""
        while True:
            item = await self.queue.get()
            if item is None:
                return None
            if isinstance(item, Restart):
                self.positions[item.organization_id] = item.head.seq
                return item
            if item.seq > self.positions[item.organization_id]:
                self.positions[item.organization_id] = item.seq
                return item


@dataclass(slots=True)
class _Channel:
    """An organization that clients here listen to; `head` is the last event that was passed to them."""

    organization_id: UUID
    head: Head
    clients: set[Client] = field(default_factory=set)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hub:
    """Connects the live bus to the clients of this process."""

    def __init__(self) -> None:
        self._channels: dict[UUID, _Channel] = {}
        self._joining = asyncio.Lock()
        self._pubsub: PubSub | None = None
        self._checked_at = 0.0
        self._handed_on_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._clients: set[Client] = set()
        self._epoch: UUID | None = None

    async def join(self, client: Client) -> Heads:
        """Start to queue messages for a client; return the head of each of its organizations at that moment."""
        async with self._joining:
            if not self._tasks:
                self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._check())]
            new = [organization for organization in client.visible if organization not in self._channels]
            if new:
                heads = await _heads(new)
                if self._epoch != heads.epoch:
                    await self._compare()
                for organization in new:
                    self._channels[organization] = _Channel(organization, heads.of(organization))
                await self._subscribe(new)
            for organization in client.visible:
                self._channels[organization].clients.add(client)
        self._clients.add(client)
        metrics.live_clients.set(len(self._clients))
        for organization in client.visible:
            await self._catch_up(self._channels[organization])
        return self.heads(client)

    def leave(self, client: Client) -> None:
        """Stop queueing for a client."""
        for organization in client.visible:
            channel = self._channels.get(organization)
            if channel is not None:
                channel.clients.discard(client)
        self._clients.discard(client)
        metrics.live_clients.set(len(self._clients))

    def heads(self, client: Client) -> Heads:
        """Return the newest event passed to clients here, for each of the client's organizations."""
        if self._epoch is None:
            raise LookupError("no client has joined yet")
        return Heads(self._epoch, {organization: self._channels[organization].head for organization in client.visible})

    @property
    def is_current(self) -> bool:
        """Whether the heads were recently compared with the database; only then may a client show that all is well."""
        return time.monotonic() - self._checked_at < 3 * CHECK_SECONDS

    @property
    def quiet_seconds(self) -> float:
        """Seconds since a message was last passed to clients."""
        return time.monotonic() - self._handed_on_at

    async def _subscribe(self, organizations: list[UUID]) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(redis.RedisError):
                await self._pubsub.subscribe(*map(bus.feed_channel, organizations))

    async def _listen(self) -> None:
        """Receive messages from the bus; start over when the connection breaks."""
        while True:
            client = valkey.async_client()
            try:
                pubsub = client.pubsub(ignore_subscribe_messages=True)
                await pubsub.subscribe(bus.feed_channel("none"))
                self._pubsub = pubsub
                # Clients that joined so far had no bus to subscribe to; later ones subscribe themselves.
                if self._channels:
                    await pubsub.subscribe(*map(bus.feed_channel, self._channels))
                for channel in list(self._channels.values()):
                    await self._catch_up(channel)
                async for raw in pubsub.listen():
                    organization = UUID(raw["channel"].decode().rpartition(":")[2])
                    await self._receive(organization, raw["data"])
            except (redis.RedisError, DatabaseError, OSError, msgspec.DecodeError, ValueError) as error:
                logger.warning("the live bus is unavailable, reading from the database: %s", error)
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
            if message.envelope.previous == channel.head.seq:
                self._hand_on(channel, message)
                return
        if message.seq > channel.head.seq:
            await self._catch_up(channel)

    async def _check(self) -> None:
        """Compare the heads with the database, independently of bus and relay; drop organizations without clients."""
        while True:
            try:
                await self._compare()
                self._checked_at = time.monotonic()
                await self._forget_idle()
            except (DatabaseError, OSError) as error:
                logger.warning("cannot compare the heads with the database: %s", error)
            await asyncio.sleep(CHECK_SECONDS)

    async def _compare(self) -> None:
        """Catch up with the database; if it has a different history than this hub, every channel starts over."""
        heads = await _heads(list(self._channels))
        restored = self._epoch not in (None, heads.epoch)
        self._epoch = heads.epoch
        for channel in list(self._channels.values()):
            head = heads.of(channel.organization_id)
            if restored:
                async with channel.busy:
                    self._restart(channel, head)
            elif head.seq != channel.head.seq:
                await self._catch_up(channel)

    async def _forget_idle(self) -> None:
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
                try:
                    missing = await read_since(channel.organization_id, channel.head.seq)
                except UnknownCursor:
                    heads = await _heads([channel.organization_id])
                    self._restart(channel, heads.of(channel.organization_id))
                    return
                for message in missing:
                    self._hand_on(channel, message)
                if len(missing) < PAGE:
                    return

    @staticmethod
    def _restart(channel: _Channel, head: Head) -> None:
        logger.warning("the feed of %s has another history, its clients start over", channel.organization_id)
        channel.head = head
        for client in channel.clients:
            client.offer(Restart(channel.organization_id, head))

    def _hand_on(self, channel: _Channel, message: FeedMessage) -> None:
        self._handed_on_at = time.monotonic()
        is_public = message.envelope.audience in PUBLIC
        channel.head = Head(message.seq, message.seq if is_public else channel.head.public_seq)
        with tracing.span("hub", parent=message.envelope.traceparent, clients=len(channel.clients)):
            for client in channel.clients:
                client.offer(message)


@cache
def hub() -> Hub:
    """The hub of this process, which runs one event loop."""
    return Hub()


async def read_since(organization: UUID, seq: int) -> list[FeedMessage]:
    """Return a page of an organization's events after `seq`. Raises UnknownCursor."""

    def read() -> list[FeedMessage]:
        with tenant_scope([organization]):
            return feed.since(organization, seq, limit=PAGE)

    return await database_sync_to_async(read, thread_sensitive=False)()


async def _heads(organizations: list[UUID]) -> Heads:
    def read() -> Heads:
        with tenant_scope(organizations):
            return feed.heads()

    return await database_sync_to_async(read, thread_sensitive=False)()
