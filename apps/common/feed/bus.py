"""The live bus in Valkey: the poke that wakes the relay, and one channel of feed messages per organization.

The bus stores nothing. Messages lost on it are recovered from the database: the relay polls it, and the hubs compare
the heads with it.
"""

import logging
from typing import Final
from uuid import UUID

import redis

from apps.common import valkey

logger = logging.getLogger(__name__)

POKE_CHANNEL: Final = "safesignal:poke"


def feed_channel(organization: UUID | str) -> str:
    """Return the channel of one organization's feed."""
    return f"safesignal:feed:{organization}"


def published_key(epoch: UUID) -> str:
    """Return the key for the relay's published position in each organization's feed, in one history of the database."""
    return f"safesignal:published:{epoch}"


def poke() -> None:
    """Notify the relay of a commit. It polls as well, so a failure costs only milliseconds."""
    try:
        valkey.client().publish(POKE_CHANNEL, b"")
    except redis.RedisError as error:
        logger.warning("cannot wake the relay through the live bus, it will find the change by polling: %s", error)
