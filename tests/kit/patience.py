"""How long a test waits, and how a promised time is tested on a machine that also does other work."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

WAIT_SECONDS: Final = 60.0
"""For events that must happen immediately: only a failing test waits this long."""
POLL_SECONDS: Final = 0.01
PRESSURE: Final = tuple(Path("/proc/pressure", name) for name in ("cpu", "io"))
UNKNOWN_LOAD: Final = 5.0
"""Factor for a promised time where the kernel does not report the load of the machine."""


def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait until the condition is true. Raises AssertionError if that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition was not met within {seconds:g} s"
        time.sleep(POLL_SECONDS)


class Promise:
    """A time limit that the product promises, measured from the creation of this object.

    `seconds` grows by the time that processes of this machine had to wait for a processor or a disk (PSI,
    Documentation/accounting/psi.rst of Linux): on a quiet machine the promise is tested as it is.
    """

    def __init__(self, seconds: float) -> None:
        self._promised = seconds
        self._stalled = _stalled_seconds()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time that may have passed by now."""
        now = _stalled_seconds()
        if now is None or self._stalled is None:
            return self._promised * UNKNOWN_LOAD
        return self._promised + now - self._stalled

    def was_kept(self) -> bool:
        """Return whether no more time than that has passed."""
        return time.monotonic() - self._began < self.seconds


def _stalled_seconds() -> float | None:
    """Return for how long, since boot, at least one process has been waiting for a scarce resource."""
    try:
        totals = [path.read_text().splitlines()[0].rpartition("total=")[2] for path in PRESSURE]
    except OSError:
        return None
    return sum(map(int, totals)) / 1_000_000
