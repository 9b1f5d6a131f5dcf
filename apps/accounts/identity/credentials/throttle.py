"""Throttling of password and code guesses, without locking owners out.

Wrong answers are counted. Each limit has some free attempts and then waits that double up to a maximum
(`limits.GUESSES` is the table). Attempts from a device that has signed in to the account before are counted for that
device alone (`apps.common.http.callers.known_devices`), so that strangers cannot slow its owner down. Other attempts
are counted for the account at their address, for the account from everywhere, and for their address over all accounts
(a whole school may share one address). The first attempt on an account from an address never waits for other attempts
from that address, and an address from which the account has signed in within a month waits only for attempts on that
account from there.
Only signing in is throttled: sessions, tokens and alarms are not affected. Codes of day accounts are not counted,
because they have 60 bits.

The counts are stored in Valkey; without it, sign-ins are not throttled.
"""

import logging
import math
from collections.abc import Mapping
from typing import Final

import redis
from django.utils.crypto import salted_hmac

from apps.common import valkey
from apps.common.http.callers.addresses import source_of
from apps.common.http.callers.known_devices import KnownDevice
from apps.common.limits import GUESSES, Guess, GuessLimit, Limit
from apps.common.problems import TooManyRequests

logger = logging.getLogger(__name__)

FAMILIAR_SECONDS: Final = 30 * 24 * 3600
Limits = Mapping[str, GuessLimit]

PASSWORD: Final[Limits] = {limit.per: limit for limit in GUESSES if limit.what == Guess.PASSWORD}
SECOND_FACTOR: Final[Limits] = {limit.per: limit for limit in GUESSES if limit.what == Guess.CODE}
"""A code has only six digits, so strangers who know the password wait longer: a hundred attempts a day. The owner can
still sign in on any known device. A new password, set with an e-mail link, makes the owner's device known, and the
strangers no longer know the password."""

_HIT: Final = """
local familiar, tried = redis.call('EXISTS', KEYS[1]) == 1, redis.call('EXISTS', KEYS[2]) == 1
local function binds(n) return n == 1 or (not familiar and (n == 2 or tried)) end
local limits, wait = #ARGV / 3, 0
for n = 1, limits do
    if binds(n) then wait = math.max(wait, redis.call('PTTL', KEYS[2 * n + 1])) end
end
if wait > 0 then return wait end
for n = 1, limits do
    local wrong = redis.call('INCR', KEYS[2 * n])
    redis.call('EXPIRE', KEYS[2 * n], ARGV[3 * n])
    local over = wrong - tonumber(ARGV[3 * n - 2])
    if over > 0 then
        local seconds = math.min(tonumber(ARGV[3 * n - 1]), 2 ^ math.min(over - 1, 30))
        redis.call('SET', KEYS[2 * n + 1], 1, 'PX', seconds * 1000)
    end
end
return 0
"""
"""KEYS: familiar, then count and wait of each limit. ARGV: free attempts, longest wait and lifetime of the count of
each. One atomic script, so that parallel guesses are counted too. Returns the milliseconds to wait, in which
case nothing was counted, or 0."""

_CLEAR: Final = """
redis.call('DEL', KEYS[2], KEYS[3])
for n = 2, (#KEYS - 1) / 2 do
    if redis.call('EXISTS', KEYS[2 * n]) == 1 then redis.call('DECR', KEYS[2 * n]) end
    redis.call('DEL', KEYS[2 * n + 1])
end
redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])
"""


class TooManyGuesses(TooManyRequests):
    """Too many wrong passwords or codes; `retry_after` says in how many seconds to try again."""

    code = "too_many_guesses"
    default_detail = "Too many wrong passwords or codes: wait a moment, then try again."


class LoginThrottle:
    """One attempt on an account from an address, or from a known device. It counts as wrong until cleared."""

    def __init__(self, *, account: str, address: str, device: str | None = None, limits: Limits = PASSWORD) -> None:
        account, source = account.strip().casefold(), source_of(address)
        pair = f"{account} {source}"
        counted = (
            {"pair": pair, "account": account, "source": source}
            if device is None
            else {"device": f"{account} {device}"}
        )
        self._limits = [limits[kind] for kind in counted]
        self._keys = [_key("familiar", pair)]
        for kind, value in counted.items():
            what = limits[kind].what
            self._keys += [_key(f"{what}:{kind}", value), _key(f"{what}:{kind}:wait", value)]

    def hit(self) -> None:
        """Count the attempt before the answer is checked. Raises TooManyGuesses."""
        figures = [value for one in self._limits for value in (one.count, one.longest_wait, one.seconds)]
        try:
            wait = int(valkey.client().eval(_HIT, len(self._keys), *self._keys, *figures))
        except redis.RedisError as error:
            logger.warning("wrong passwords are not counted because Valkey is unavailable: %s", error)
            return
        if wait:
            raise TooManyGuesses(retry_after=math.ceil(wait / 1000))

    def clear(self) -> None:
        """Remove a correct attempt from the counts, and remember the address as familiar for the account."""
        try:
            valkey.client().eval(_CLEAR, len(self._keys), *self._keys, FAMILIAR_SECONDS)
        except redis.RedisError as error:
            logger.warning("a correct password still counts as wrong because Valkey is unavailable: %s", error)


def device_for(email: str, known: KnownDevice | None) -> str | None:
    """Return the device to count for, if the account with this e-mail has signed in on it before, else None."""
    return known.id if known is not None and known.knows(email) else None


def is_due(kind: str, value: str, limit: Limit) -> bool:
    """Return whether this was not done within the window of a limit of one, and record it as done now.

    For messages that anyone can have sent to another person. Without Valkey every message is due.
    """
    try:
        return bool(valkey.client().set(_key(f"done:{kind}", value.strip().casefold()), 1, ex=limit.seconds, nx=True))
    except redis.RedisError as error:
        logger.warning("messages are not counted because Valkey is unavailable: %s", error)
        return True


def _key(kind: str, value: str) -> str:
    """Build the key from a keyed digest, so that Valkey stores neither e-mail nor IP addresses."""
    return f"safesignal:guess:{kind}:{salted_hmac('safesignal.guess', value, algorithm='sha256').hexdigest()[:32]}"
