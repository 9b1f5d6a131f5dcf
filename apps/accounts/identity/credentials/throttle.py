"""Guessing passwords and codes is slow, and locks nobody out.

Wrong answers are counted in budgets, of which each has some free tries and then waits that double up to a longest one
(`LIMITS`). Whoever comes from a device that the account has signed in on before is counted for that device alone
(`apps.common.http.known_devices`), so that nothing which strangers do slows them down. Strangers are counted for the
account at their address, for the account from everywhere, and for their address over all accounts (a whole school
sits behind one): the first try of an account from an address never waits for what others did at that address, and an
address from which the account has signed in within a month waits only for what was tried there with that account. Only
signing in is slowed: sessions, tokens and alarms know nothing of this. Codes of day accounts are not
counted: they have 60 bits.

The counts live in Valkey; without it people sign in all the same.
"""

import logging
import math
from collections.abc import Mapping
from typing import Final

import msgspec
import redis
from django.utils.crypto import salted_hmac

from apps.common import valkey
from apps.common.http.addresses import source_of
from apps.common.http.known_devices import KnownDevice
from apps.common.problems import TooManyRequests

logger = logging.getLogger(__name__)

FAMILIAR_SECONDS: Final = 30 * 24 * 3600
FORGOTTEN_AFTER_SECONDS: Final = 3600
"""Without another wrong answer."""


class Budget(msgspec.Struct, frozen=True):
    """How many wrong answers are free, and how long the wait after each further one grows: 1, 2, 4 … seconds."""

    free: int
    longest_wait: int


Limits = Mapping[str, Budget]

PASSWORD: Final[Limits] = {
    "device": Budget(free=10, longest_wait=30),
    "pair": Budget(free=10, longest_wait=30),
    "account": Budget(free=50, longest_wait=30),
    "source": Budget(free=300, longest_wait=5),
}
SECOND_FACTOR: Final[Limits] = {
    "device": Budget(free=10, longest_wait=60),
    "pair": Budget(free=5, longest_wait=900),
    "account": Budget(free=10, longest_wait=900),
    "source": Budget(free=300, longest_wait=5),
}
"""A code has six digits, so that strangers who know the password wait longer: a hundred tries a day. Its owner signs in
on any known device meanwhile, and a new password, by the link of an e-mail, makes a device known and them strangers."""

_HIT: Final = """
local familiar, tried = redis.call('EXISTS', KEYS[1]) == 1, redis.call('EXISTS', KEYS[2]) == 1
local function binds(n) return n == 1 or (not familiar and (n == 2 or tried)) end
local budgets, wait = (#ARGV - 1) / 2, 0
for n = 1, budgets do
    if binds(n) then wait = math.max(wait, redis.call('PTTL', KEYS[2 * n + 1])) end
end
if wait > 0 then return wait end
for n = 1, budgets do
    local wrong = redis.call('INCR', KEYS[2 * n])
    redis.call('EXPIRE', KEYS[2 * n], ARGV[#ARGV])
    local over = wrong - tonumber(ARGV[2 * n - 1])
    if over > 0 then
        local seconds = math.min(tonumber(ARGV[2 * n]), 2 ^ math.min(over - 1, 30))
        redis.call('SET', KEYS[2 * n + 1], 1, 'PX', seconds * 1000)
    end
end
return 0
"""
"""KEYS: familiar, then count and wait of each budget. ARGV: free tries and longest wait of each, then for how long
it is counted. One step for all, so that parallel guesses count too. Milliseconds to wait are returned; then nothing was
counted."""

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
    """One try for an account from an address, and on a known device if it is one. It counts as wrong until cleared."""

    def __init__(self, *, account: str, address: str, device: str | None = None, limits: Limits = PASSWORD) -> None:
        account, source = account.strip().casefold(), source_of(address)
        pair = f"{account} {source}"
        counted = (
            {"pair": pair, "account": account, "source": source}
            if device is None
            else {"device": f"{account} {device}"}
        )
        what = "password" if limits is PASSWORD else "code"
        self._budgets = [limits[kind] for kind in counted]
        self._keys = [_key("familiar", pair)]
        for kind, value in counted.items():
            self._keys += [_key(f"{what}:{kind}", value), _key(f"{what}:{kind}:wait", value)]

    def hit(self) -> None:
        """Count it, before the answer is looked at. Raises TooManyGuesses."""
        limits = [value for budget in self._budgets for value in (budget.free, budget.longest_wait)]
        try:
            wait = int(valkey.client().eval(_HIT, len(self._keys), *self._keys, *limits, FORGOTTEN_AFTER_SECONDS))
        except redis.RedisError as error:
            logger.warning("wrong passwords are not counted while Valkey is away: %s", error)
            return
        if wait:
            raise TooManyGuesses(retry_after=math.ceil(wait / 1000))

    def clear(self) -> None:
        """It was right: uncount it, and remember the address as familiar to the account."""
        try:
            valkey.client().eval(_CLEAR, len(self._keys), *self._keys, FAMILIAR_SECONDS)
        except redis.RedisError as error:
            logger.warning("a right password was not uncounted while Valkey is away: %s", error)


def device_for(email: str, known: KnownDevice | None) -> str | None:
    """The device to count for, where the account of this address has signed in before; None for a stranger."""
    return known.id if known is not None and known.knows(email) else None


def is_due(kind: str, value: str, *, every_seconds: int) -> bool:
    """Whether this was not done within the last `every_seconds`; it counts as done from now on.

    For messages that anybody can have sent to somebody else. Without Valkey each is due.
    """
    try:
        return bool(valkey.client().set(_key(f"done:{kind}", value.strip().casefold()), 1, ex=every_seconds, nx=True))
    except redis.RedisError as error:
        logger.warning("messages are not counted while Valkey is away: %s", error)
        return True


def _key(kind: str, value: str) -> str:
    """Keyed digests: Valkey is told neither e-mail nor address."""
    return f"safesignal:guess:{kind}:{salted_hmac('safesignal.guess', value, algorithm='sha256').hexdigest()[:32]}"
