"""How long to wait before trying again: doubling, half of it chance, so that many gateways do not come back at once."""

import random
from collections.abc import Callable


class Backoff:
    """Seconds to wait. `reset` after a success; `slow_down` when trying sooner cannot help (wrong credentials)."""

    def __init__(
        self, *, first: float = 0.25, greatest: float = 15.0, rand: Callable[[], float] = random.random
    ) -> None:
        self._first, self._greatest, self._rand = first, greatest, rand
        self._next = first

    def reset(self) -> None:
        """It worked."""
        self._next = self._first

    def slow_down(self) -> None:
        """The next wait is the greatest."""
        self._next = self._greatest

    def wait(self) -> float:
        """Seconds until the next try."""
        limit, self._next = self._next, min(self._next * 2, self._greatest)
        return limit / 2 + self._rand() * limit / 2
