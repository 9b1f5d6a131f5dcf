"""Clients of Valkey, which stores nothing permanent: the cloud works without it."""

from functools import cache

import redis
from django.conf import settings
from django_redis import get_redis_connection
from redis import asyncio as aioredis


@cache
def client() -> redis.Redis:
    """Return the synchronous client of this process.

    Threads share it: django-redis would create one for each thread and context, which costs more than a command.
    """
    connected: redis.Redis = get_redis_connection("valkey")
    return connected


def async_client() -> aioredis.Redis:
    """Return a client for one event loop; its owner must close it."""
    return aioredis.Redis.from_url(settings.VALKEY_URL)
