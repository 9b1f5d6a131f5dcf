"""How many messages may be had sent: `BUDGETS` is the one table of it.

Whoever asks for a message chooses who gets it, so that without a limit we would write to strangers in a school's name.
Counted are who asks (`source`: an address, or the device where somebody signed in before), the school in whose name it
is sent (`school`), and who gets it (`recipient`). What one person has sent to themselves is counted in the database as
well (`services/proofs.py`). The counts live in Valkey; without it nothing is refused.
"""

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import redis
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from apps.common import valkey
from apps.common.http.addresses import address_of, source_of
from apps.common.http.known_devices import known_device
from apps.common.problems import TooManyRequests

logger = logging.getLogger(__name__)

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


_SPEND: Final = """
local wait = 0
for n = 1, #KEYS do
    if tonumber(redis.call('GET', KEYS[n]) or 0) >= tonumber(ARGV[2 * n - 1]) then
        wait = math.max(wait, redis.call('TTL', KEYS[n]), 1)
    end
end
if wait > 0 then return wait end
for n = 1, #KEYS do
    redis.call('INCR', KEYS[n])
    redis.call('EXPIRE', KEYS[n], ARGV[2 * n], 'NX')
end
return 0
"""
"""KEYS: a count each. ARGV: its limit and its seconds. Seconds to wait are returned; then nothing was counted."""


class TooManyMessages(TooManyRequests):
    """This was sent, or had others send, several times lately: what was sent is still good."""

    code = "too_many_messages"
    default_detail = "This was sent several times already: use the last one, or try again later."


class Message(StrEnum):
    """What somebody can have sent to an address or number that they type."""

    OPEN_REGISTRATION = "open_registration"
    INVITATION = "invitation"
    FORGOTTEN_PASSWORD = "forgotten_password"  # noqa: S105 (the name of a message)
    NEW_ADDRESS = "new_address"
    PHONE_CODE = "phone_code"
    DAY_CODE = "day_code"


class Limit(msgspec.Struct, frozen=True):
    """How many within how many seconds."""

    messages: int
    seconds: int


Budget = Mapping[str, Sequence[Limit]]

BUDGETS: Final[Mapping[Message, Budget]] = {
    # Anybody: a handful of colleagues at a time. A school that registers everybody imports or invites them.
    Message.OPEN_REGISTRATION: {
        "source": [Limit(10, 10 * MINUTE), Limit(40, DAY)],
        "school": [Limit(30, 10 * MINUTE), Limit(200, DAY)],
    },
    # An admin, who is named in the trail: a whole district by one table, and its dry run.
    Message.INVITATION: {"school": [Limit(20_000, DAY)], "recipient": [Limit(10, HOUR)]},
    # Anybody, but only accounts get mail, each three an hour: a thousand people behind one address on a first day.
    Message.FORGOTTEN_PASSWORD: {"source": [Limit(300, HOUR), Limit(1_500, DAY)], "school": [Limit(2_000, HOUR)]},
    # Somebody who has signed in and shown their password.
    Message.NEW_ADDRESS: {"source": [Limit(60, HOUR)], "school": [Limit(500, HOUR)], "recipient": [Limit(10, HOUR)]},
    # Somebody who has signed in; each costs the platform money.
    Message.PHONE_CODE: {"school": [Limit(500, HOUR)], "recipient": [Limit(10, HOUR)]},
    # An admin, for substitutes.
    Message.DAY_CODE: {"school": [Limit(500, DAY)], "recipient": [Limit(10, HOUR)]},
}


def source_of_request(request: HttpRequest) -> str:
    """Who asks: the device where somebody signed in before, so that strangers behind its address use up nothing of
    it; else the address.
    """
    known = known_device(request)
    return f"device {known.id}" if known else source_of(address_of(request))


def spend(message: Message, **on: str) -> None:
    """Count one message on the `source`, `school` and `recipient` that are named. Raises TooManyMessages.

    What is refused is not counted: whoever has used up their own uses up nothing of a school's.
    """
    windows = [
        (f"safesignal:mail:{message}:{kind}:{limit.seconds}:{_digest(on[kind])}", limit)
        for kind, limits in BUDGETS[message].items()
        if kind in on
        for limit in limits
    ]
    keys = [key for key, _ in windows]
    limits = [value for _, limit in windows for value in (limit.messages, limit.seconds)]
    try:
        wait = int(valkey.client().eval(_SPEND, len(keys), *keys, *limits))
    except redis.RedisError as error:
        logger.warning("messages are not counted while Valkey is away: %s", error)
        return
    if wait:
        raise TooManyMessages(retry_after=wait)


def _digest(value: str) -> str:
    """Valkey is told neither who asks nor who is written to."""
    return salted_hmac("safesignal.mail", value.strip().casefold(), algorithm="sha256").hexdigest()[:32]
