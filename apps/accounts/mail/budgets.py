"""Rate limits of messages that people can have sent: `limits.MESSAGES` is the table.

The requester of a message chooses its recipient, so without a limit the platform could be used to send mail to
strangers in a school's name. Messages are counted per requester (`source`: an address, or a device that has signed in
before), per school in whose name they are sent (`school`), and per recipient (`recipient`). Messages that people send
to themselves are also counted in the database (`identity/proofs.py`). The counts are stored in Valkey; without it
nothing is refused.
"""

import logging
from typing import Final

import redis
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from apps.common import valkey
from apps.common.http.callers.addresses import address_of, source_of
from apps.common.http.callers.known_devices import known_device
from apps.common.limits import MESSAGES, Message
from apps.common.problems import TooManyRequests

logger = logging.getLogger(__name__)

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
"""KEYS: the counts. ARGV: limit and seconds of each. Returns the seconds to wait, in which case nothing was counted."""


class TooManyMessages(TooManyRequests):
    """Too many messages were requested recently; those that were sent are still valid."""

    code = "too_many_messages"
    default_detail = "This was sent several times already: use the last one, or try again later."


def source_of_request(request: HttpRequest) -> str:
    """Return the source of a request: a device that has signed in before, so that strangers at its address do not use
    up its budget; else the address.
    """
    known = known_device(request)
    return f"device {known.id}" if known else source_of(address_of(request))


def spend(message: Message, **on: str) -> None:
    """Count one message for the given `source`, `school` and `recipient`. Raises TooManyMessages.

    Refused messages are not counted: a source over its limit does not use up the budget of a school.
    """
    windows = [
        (f"safesignal:mail:{message}:{limit.per}:{limit.seconds}:{_digest(on[limit.per])}", limit)
        for limit in MESSAGES
        if limit.what == message and limit.per in on
    ]
    keys = [key for key, _ in windows]
    limits = [value for _, limit in windows for value in (limit.count, limit.seconds)]
    try:
        wait = int(valkey.client().eval(_SPEND, len(keys), *keys, *limits))
    except redis.RedisError as error:
        logger.warning("messages are not counted because Valkey is unavailable: %s", error)
        return
    if wait:
        raise TooManyMessages(retry_after=wait)


def _digest(value: str) -> str:
    """Return a keyed digest, so that Valkey stores neither requesters nor recipients."""
    return salted_hmac("safesignal.mail", value.strip().casefold(), algorithm="sha256").hexdigest()[:32]
