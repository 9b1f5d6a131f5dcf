"""Clients of Valkey: what is kept there is no record, and work goes on without it."""

from functools import cache
from typing import Final

import redis
from django.conf import settings
from redis import asyncio as aioredis

IO_TIMEOUT_SECONDS: Final = 0.5
"""A write that is already committed waits no longer than this for Valkey."""


@cache
def client() -> redis.Redis:
    """The synchronous client of this process."""
    return redis.Redis.from_url(
        settings.VALKEY_URL, socket_timeout=IO_TIMEOUT_SECONDS, socket_connect_timeout=IO_TIMEOUT_SECONDS
    )


def async_client() -> aioredis.Redis:
    """A client for one event loop; its owner closes it."""
    return aioredis.Redis.from_url(settings.VALKEY_URL)
