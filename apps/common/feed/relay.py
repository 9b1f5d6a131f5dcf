"""The relay: publishes committed feed events on the live bus, in order, at least once.

One relay leads (by a PostgreSQL advisory lock), others wait to take over. It is woken after each commit and polls as a
fallback. An event leaves the outbox only after the bus has accepted it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import redis
from django.db import DatabaseError, connections
from django.utils import timezone

from apps.common import feed, valkey
from apps.common.db.scope import system_scope
from apps.common.feed import bus
from apps.common.observability import heartbeats, tracing

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.1
BATCH: Final = 1000
ADVISORY_LOCK: Final = 0x5AFE516
"""The key of the leader's advisory lock; any number that nothing else uses."""
RETRY_SECONDS: Final = 0.5
HEARTBEAT: Final = "relay"
HEARTBEAT_SECONDS: Final = 10.0


class Relay:
    """Runs until `stopping` returns true; recovers when database or bus are available again."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._pokes: redis.client.PubSub | None = None
        self._shows_at = 0.0

    def run(self) -> None:
        """Lead, or wait to lead, until stopped; after that another relay can lead."""
        while not self._stopping():
            try:
                if self._lead():
                    notice_restore()
                    self._carry()
            except (DatabaseError, redis.RedisError) as error:
                logger.warning("the relay starts over: %s: %s", type(error).__name__, error)
                self._pokes = None
                connections["system"].close()
            time.sleep(RETRY_SECONDS)
        connections["system"].close()

    def _lead(self) -> bool:
        with connections["system"].cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
            row = cursor.fetchone()
        return bool(row and row[0])

    def _carry(self) -> None:
        logger.info("the relay leads")
        while not self._stopping():
            self._send_heartbeat()
            if publish_unsent() < BATCH:
                self._wait_for_poke()

    def _send_heartbeat(self) -> None:
        if time.monotonic() >= self._shows_at:
            heartbeats.show(HEARTBEAT, timezone.now())
            self._shows_at = time.monotonic() + HEARTBEAT_SECONDS

    def _wait_for_poke(self) -> None:
        if self._pokes is None:
            self._pokes = valkey.client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            self._pokes.subscribe(bus.POKE_CHANNEL)
        self._pokes.get_message(timeout=POLL_SECONDS)


def publish_unsent() -> int:
    """Publish unsent events; return how many. Raises RedisError; nothing is marked as sent then."""
    with system_scope():
        messages = feed.unsent(limit=BATCH)
        if messages:
            with valkey.client().pipeline(transaction=False) as pipeline:
                for message in messages:
                    with tracing.span("relay", parent=message.envelope.traceparent):
                        pipeline.publish(bus.feed_channel(message.organization_id), message.encode())
                pipeline.execute()
            _remember_published(messages)
            feed.mark_sent(messages, timezone.now())
    return len(messages)


def notice_restore() -> None:
    """Renew the feed's epoch when events that were published in it are not in the database.

    PostgreSQL itself reveals a failover and a restore from a dump (`feed_epoch()`), but not a copied data folder. A
    relay checks this when it begins to lead, since replacing a database ends its connections. By then the database may
    have newer events than the lost ones. Raises RedisError.
    """
    with system_scope():
        published: dict[bytes, bytes] = valkey.client().hgetall(bus.published_key(feed.epoch()))  # type: ignore[assignment]
        lost = feed.count_missing({UUID(name.decode()): int(seq) for name, seq in published.items()})
        if lost:
            logger.error("the database has lost published events of %d organizations", lost)
            feed.renew_epoch(reason="the database lacked what had been published")


def _remember_published(messages: Sequence[feed.FeedMessage]) -> None:
    """Store the newest published seq of each organization, in this epoch."""
    key = bus.published_key(feed.epoch())
    newest = {str(message.organization_id): message.seq for message in messages}
    with valkey.client().pipeline(transaction=False) as pipeline:
        pipeline.hset(key, mapping=newest)  # type: ignore[arg-type]
        pipeline.expire(key, feed.KEEP)
        pipeline.execute()
