"""The live bus in Valkey: the poke that wakes the relay, and one channel of feed messages for an organization.

Nothing here is a record. What is lost on the bus is found again in the database: the relay polls it, and the hubs
compare the heads with it.
"""

import logging
from functools import cache
from uuid import UUID

import redis
from django.conf import settings
from redis import asyncio as aioredis

logger = logging.getLogger(__name__)

POKE_CHANNEL = "safesignal:poke"
IO_TIMEOUT_SECONDS = 0.5
"""A write that is already committed waits no longer than this for the bus."""


def feed_channel(organization: UUID | str) -> str:
    """The channel of one organization's feed."""
    return f"safesignal:feed:{organization}"


def published_key(epoch: UUID) -> str:
    """Where the relay notes how far it has published each organization's feed, in one history of the database."""
    return f"safesignal:published:{epoch}"


@cache
def client() -> redis.Redis:
    """The synchronous client of this process."""
    return redis.Redis.from_url(
        settings.VALKEY_URL, socket_timeout=IO_TIMEOUT_SECONDS, socket_connect_timeout=IO_TIMEOUT_SECONDS
    )


def async_client() -> aioredis.Redis:
    """A client for one event loop; its owner closes it."""
    return aioredis.Redis.from_url(settings.VALKEY_URL)


def poke() -> None:
    """Tell the relay that something was committed. It polls as well, so a failure costs only milliseconds."""
    try:
        client().publish(POKE_CHANNEL, b"")
    except redis.RedisError as error:
        logger.warning("the live bus did not take a poke, the relay will find it by polling: %s", error)
