"""How long a test waits, and how a promised time is tested on a machine that also does other work."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

WAIT_SECONDS: Final = 60.0
"""For what must happen at once: only a test that fails waits this long."""
POLL_SECONDS: Final = 0.01
PRESSURE: Final = tuple(Path("/proc/pressure", name) for name in ("cpu", "io"))
UNKNOWN_LOAD: Final = 5.0
"""How many times as long a promise may take where the kernel does not say how busy the machine was."""


def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for what must come true. Raises AssertionError when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(POLL_SECONDS)


class Promise:
    """A time within which the product promises something, from the making of this on.

    `seconds` grows by the time for which processes of this machine had to wait for a processor or a disk (PSI,
    Documentation/accounting/psi.rst of Linux): on a quiet machine the promise is tested as it is.
    """

    def __init__(self, seconds: float) -> None:
        self._promised = seconds
        self._stalled = _stalled_seconds()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """What may have passed by now."""
        now = _stalled_seconds()
        if now is None or self._stalled is None:
            return self._promised * UNKNOWN_LOAD
        return self._promised + now - self._stalled

    def was_kept(self) -> bool:
        """Whether no more has passed."""
        return time.monotonic() - self._began < self.seconds


def _stalled_seconds() -> float | None:
    """For how long, since the machine started, at least one process waited for what it had not enough of."""
    try:
        totals = [path.read_text().splitlines()[0].rpartition("total=")[2] for path in PRESSURE]
    except OSError:
        return None
    return sum(map(int, totals)) / 1_000_000
