"""Event ids: monotonic UUIDv7 (RFC 9562).

The cloud compares ids to track its progress (the watermark), so each id must be greater than all earlier ones, also
after the clock was set back and after a restart.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

_TAIL_BITS = 74
_RAND_B_BITS = 62


class EventIds:
    """`floor` is the greatest id that this store has ever issued."""

    def __init__(self, floor: str | None = None, randbits: Callable[[int], int] = secrets.randbits) -> None:
        self._randbits = randbits
        self._ms, self._tail = (0, 0) if floor is None else _parts(UUID(floor))

    @property
    def last(self) -> str:
        """The greatest id so far."""
        return _uuid(self._ms, self._tail)

    def raise_floor(self, floor: str) -> None:
        """Make every later id greater than this one too."""
        self._ms, self._tail = max((self._ms, self._tail), _parts(UUID(floor)))

    def next(self, at: datetime) -> str:
        """Return an id for an event that happens now."""
        ms = int(at.timestamp() * 1000)
        if ms > self._ms:
            self._ms, self._tail = ms, self._randbits(_TAIL_BITS - 1)
        else:
            self._tail += 1 + self._randbits(32)
            if self._tail >> _TAIL_BITS:
                self._ms, self._tail = self._ms + 1, self._randbits(_TAIL_BITS - 1)
        return self.last


def _uuid(ms: int, tail: int) -> str:
    rand_a, rand_b = tail >> _RAND_B_BITS, tail & ((1 << _RAND_B_BITS) - 1)
    return str(UUID(int=ms << 80 | 7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b))


def _parts(value: UUID) -> tuple[int, int]:
    rand_a, rand_b = value.int >> 64 & 0xFFF, value.int & ((1 << _RAND_B_BITS) - 1)
    return value.int >> 80, rand_a << _RAND_B_BITS | rand_b
