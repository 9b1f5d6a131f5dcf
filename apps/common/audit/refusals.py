"""Collapse repeated refusals, so that a flood of them does not fill the audit trail.

Within a window of ten minutes the 1st, 10th, 100th, 1,000th … of the same refusal is written, with its number. After
more than a hundred different refusals of one caller, all of them are counted together, in the same steps. So a million
refusals of one caller become about a hundred rows, and the trail still says how many there were. Each process counts in
its own memory, without queries, locks or waiting.
"""

from collections import Counter
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

WINDOW: Final = timedelta(minutes=10)
DIFFERENT: Final = 100


class Refusals:
    """The counts of one process; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ends = datetime.min.replace(tzinfo=UTC)
        self._counts: Counter[Hashable] = Counter()
        self._different: Counter[Hashable] = Counter()

    def times(self, who: Hashable, what: Hashable, now: datetime) -> int | None:
        """Count one refusal of `who`; return the number in this window if it must be written, else None."""
        with self._lock:
            if now >= self._ends:
                self._counts.clear()
                self._different.clear()
                self._ends = now + WINDOW
            key: Hashable = (who, what)
            if key not in self._counts:
                if self._different[who] < DIFFERENT:
                    self._different[who] += 1
                else:
                    key = who
            self._counts[key] += 1
            return self._counts[key] if _is_power_of_ten(self._counts[key]) else None


def _is_power_of_ten(number: int) -> bool:
    return str(number).strip("0") == "1"
