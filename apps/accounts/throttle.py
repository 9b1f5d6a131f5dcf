"""Guessing passwords is slow, and slows nobody else down for longer than a minute.

Counted are wrong answers of one minute: for an account from one address, for an account from everywhere, and from one
address for all accounts (a whole school sits behind one). The last two do not bind an address from which that account
signed in during the last month, so that a stranger can not lock anybody out of where they work. Only signing in is
slowed: sessions, tokens, and alarms know nothing of this.

The counts live in Valkey; without it people sign in all the same.
"""

import logging

import redis
from django.utils.crypto import salted_hmac

from apps.common import bus
from apps.common.problems import TooManyRequests

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
PER_ACCOUNT_AND_ADDRESS = 10
PER_ACCOUNT = 50
PER_ADDRESS = 300
FAMILIAR_SECONDS = 30 * 24 * 3600


class TooManyGuesses(TooManyRequests):
    """Too many wrong passwords; `retry_after` says in how many seconds to try again."""

    code = "too_many_guesses"
    default_detail = "Too many wrong passwords: wait a minute, then try again."


class Guess:
    """One try of a password for an account from an address. It counts from `take` on, until it was `right`."""

    def __init__(self, *, email: str, address: str) -> None:
        account = email.strip().casefold()
        pair = f"{account} {address}"
        self.limits = {
            _key("pair", pair): PER_ACCOUNT_AND_ADDRESS,
            _key("account", account): PER_ACCOUNT,
            _key("address", address): PER_ADDRESS,
        }
        self._familiar = _key("familiar", pair)

    def take(self) -> None:
        """Count it, before the password is looked at, so that parallel guesses count too. Raises TooManyGuesses."""
        try:
            pipeline = bus.client().pipeline(transaction=False)
            pipeline.exists(self._familiar)
            for key in self.limits:
                pipeline.incr(key)
                pipeline.expire(key, WINDOW_SECONDS, nx=True)
                pipeline.ttl(key)
            familiar, *counts = (int(answer) for answer in pipeline.execute())
        except redis.RedisError as error:
            logger.warning("wrong passwords are not counted while Valkey is away: %s", error)
            return
        tries, waits = counts[0::3], counts[2::3]
        binding = 1 if familiar else len(tries)
        limits = list(self.limits.values())
        too_many = [waits[i] for i in range(binding) if tries[i] > limits[i]]
        if too_many:
            raise TooManyGuesses(retry_after=max(*too_many, 1))

    def right(self) -> None:
        """It was no guess: uncount it, and remember the address as familiar to the account."""
        try:
            pipeline = bus.client().pipeline(transaction=False)
            for key in self.limits:
                pipeline.decr(key)
                pipeline.expire(key, WINDOW_SECONDS, nx=True)
            pipeline.set(self._familiar, 1, ex=FAMILIAR_SECONDS)
            pipeline.execute()
        except redis.RedisError as error:
            logger.warning("a right password was not uncounted while Valkey is away: %s", error)


def is_due(kind: str, value: str, *, every_seconds: int) -> bool:
    """Whether this was not done within the last `every_seconds`; it counts as done from now on.

    For messages that anybody can have sent to somebody else. Without Valkey each is due.
    """
    try:
        return bool(bus.client().set(_key(f"done:{kind}", value.strip().casefold()), 1, ex=every_seconds, nx=True))
    except redis.RedisError as error:
        logger.warning("messages are not counted while Valkey is away: %s", error)
        return True


def _key(kind: str, value: str) -> str:
    """Keyed digests: Valkey is told neither e-mail nor address."""
    return f"safesignal:guess:{kind}:{salted_hmac('safesignal.guess', value, algorithm='sha256').hexdigest()[:32]}"
