"""The live bus in Valkey: the poke that wakes the relay, and one channel of feed messages for an organization.

Nothing here is a record. What is lost on the bus is found again in the database: the relay polls it, and the hubs
compare the heads with it.
"""

import logging
from typing import Final
from uuid import UUID

import redis

from apps.common import valkey

logger = logging.getLogger(__name__)

POKE_CHANNEL: Final = "safesignal:poke"


def feed_channel(organization: UUID | str) -> str:
    """The channel of one organization's feed."""
    return f"safesignal:feed:{organization}"


def published_key(epoch: UUID) -> str:
    """Where the relay notes how far it has published each organization's feed, in one history of the database."""
    return f"safesignal:published:{epoch}"


def poke() -> None:
    """Tell the relay that something was committed. It polls as well, so a failure costs only milliseconds."""
    try:
        valkey.client().publish(POKE_CHANNEL, b"")
    except redis.RedisError as error:
        logger.warning("the live bus did not take a poke, the relay will find it by polling: %s", error)
