"""Heartbeats of background processes: when each was last at work, kept in Valkey for a day."""

from datetime import datetime
from typing import Final

from apps.common import valkey

KEPT_SECONDS: Final = 24 * 3600


def show(name: str, now: datetime) -> None:
    """Record that `name` is at work. Raises RedisError."""
    valkey.client().set(_key(name), now.isoformat(), ex=KEPT_SECONDS)


def last(name: str) -> datetime | None:
    """Return when `name` was last at work; None if not within a day. Raises RedisError."""
    value = valkey.client().get(_key(name))
    return datetime.fromisoformat(value.decode()) if isinstance(value, bytes) else None


def _key(name: str) -> str:
    return f"safesignal:heartbeat:{name}"
