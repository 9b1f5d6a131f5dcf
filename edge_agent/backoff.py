"""Retry delays: exponential with 50 % jitter, so that many gateways do not reconnect at the same moment."""

import random
from collections.abc import Callable


class Backoff:
    """Seconds to wait. Call `reset` after a success, `slow_down` when an early retry cannot help (wrong
    credentials)."""

    def __init__(
        self, *, first: float = 0.25, greatest: float = 15.0, rand: Callable[[], float] = random.random
    ) -> None:
        self._first, self._greatest, self._rand = first, greatest, rand
        self._next = first

    def reset(self) -> None:
        """Start again with the first delay."""
        self._next = self._first

    def slow_down(self) -> None:
        """Use the greatest delay next."""
        self._next = self._greatest

    def wait(self) -> float:
        """Return the seconds until the next attempt."""
        limit, self._next = self._next, min(self._next * 2, self._greatest)
        return limit / 2 + self._rand() * limit / 2
