"""Signs of life of what runs behind the web: when each was last at work, kept in Valkey for a day."""

from datetime import datetime
from typing import Final

from apps.common import bus

KEPT_SECONDS: Final = 24 * 3600


def show(name: str, now: datetime) -> None:
    """Say that `name` is at work. Raises RedisError."""
    bus.client().set(_key(name), now.isoformat(), ex=KEPT_SECONDS)


def last(name: str) -> datetime | None:
    """When `name` was last at work; None for not within a day. Raises RedisError."""
    found = bus.client().get(_key(name))
    return datetime.fromisoformat(found.decode()) if isinstance(found, bytes) else None


def _key(name: str) -> str:
    return f"safesignal:heartbeat:{name}"
