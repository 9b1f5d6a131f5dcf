"""The current time, as accurately as this gateway can know it.

The system clock may be wrong by decades: no battery, no network at startup, a wrong setting. The gateway never waits
for it to be corrected. Two references are available: a floor (the last time confirmed by the cloud, kept on disk, or
the start of the gateway's own certificate), and the last time reported by the cloud, advanced by the monotonic clock.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from edge_agent import times
from edge_agent.times import Bounds, Instant

log = logging.getLogger(__name__)

FILE = "last-good-time"
AGREES = timedelta(seconds=5)
"""A system clock within this of the cloud's is trusted: a Date header has whole seconds and takes time to arrive."""
DRIFT = 1e-3
"""Maximum error of an undisciplined monotonic clock, as a fraction of the elapsed time."""
SERVER_KEEPS_DATE = timedelta(seconds=1)
"""Web servers refresh the Date header once a second, so it may be that old."""
SLOWEST_ANSWER_SECONDS = 5.0
"""Dates of slower responses are too inaccurate to use."""
FLOOR_EVERY = timedelta(minutes=10)
"""Minimum advance over the stored floor that is worth a write."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A time and the monotonic clock at that time, in seconds, accurate to `error`."""

    at: datetime
    monotonic: float
    error: timedelta = timedelta(0)


class Clock:
    """`floor` is a time that has certainly passed. `wall` and `monotonic` are the system's two clocks."""

    def __init__(
        self,
        folder: Path,
        *,
        floor: datetime,
        wall: Callable[[], datetime] = times.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = folder / FILE
        self._wall, self._monotonic = wall, monotonic
        self._kept = _read(self._file)
        self.floor = floor if self._kept is None else max(floor, self._kept)
        self._start = _Reading(self.floor, monotonic())
        self._confirmed: _Reading | None = None

    def now(self) -> datetime:
        """Return the system time while it is plausible, otherwise the cloud's time or the floor, advanced to now."""
        wall = self._wall()
        return wall if self._plausible(wall) else times.cut(self._carried(self._confirmed or self._start)[0])

    def instant(self) -> Instant:
        """Return the current moment by all clocks: `now`, the monotonic clock, and the cloud's where known."""
        return Instant(self.now(), self._monotonic(), self._cloud())

    @property
    def confirmed(self) -> bool:
        """Whether the cloud has reported its time since startup."""
        return self._confirmed is not None

    @property
    def offset(self) -> timedelta | None:
        """How far the system clock is ahead of the cloud's; None before the first response."""
        return None if self._confirmed is None else self._wall() - self._carried(self._confirmed)[0]

    @property
    def fault(self) -> str | None:
        """A readable description of the system clock's error, if any."""
        wall = self._wall()
        if self._plausible(wall):
            return None
        known = self._carried(self._confirmed or self._start)[0]
        return f"the system clock shows {times.text(wall)}, but it is {times.text(known)} or later"

    def elapsed(self) -> float:
        """Return the monotonic clock in seconds, for measuring durations."""
        return self._monotonic()

    def confirm(self, reported: datetime, asked_at: float, *, proved: bool) -> bool:
        """Set the clock from the date of a response to a request made at `asked_at` (monotonic). Return False if the
        date is rejected: the response was too slow, or the date is before the floor and was not `proved` by a
        certificate whose dates agree with the system clock."""
        received_at = self._monotonic()
        if received_at - asked_at > SLOWEST_ANSWER_SECONDS or (reported + AGREES < self.floor and not proved):
            return False
        # The date is truncated to seconds, and was generated at some time between request and response.
        half = timedelta(seconds=0.5 + (received_at - asked_at) / 2)
        self._confirmed = _Reading(reported + half, received_at, half + SERVER_KEEPS_DATE)
        self.floor = reported if proved else max(self.floor, reported)
        return True

    def keep_floor(self) -> None:
        """Store the floor if it has moved. Blocks on the disk; a failed write only loses the copy."""
        if self._kept is not None and abs(self.floor - self._kept) < FLOOR_EVERY:
            return
        part = self._file.with_suffix(".part")
        try:
            with part.open("w") as file:
                file.write(times.text(self.floor))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._file)
        except OSError as error:
            log.warning("the last confirmed time could not be stored", extra={"reason": str(error)})
            return
        self._kept = self.floor

    def _cloud(self) -> Bounds | None:
        if self._confirmed is None:
            return None
        middle, doubt = self._carried(self._confirmed)
        error = self._confirmed.error + doubt
        return Bounds(middle - error, middle + error)

    def _plausible(self, wall: datetime) -> bool:
        if self._confirmed is None:
            return wall >= self.floor
        carried, doubt = self._carried(self._confirmed)
        return abs(wall - carried) <= AGREES + doubt

    def _carried(self, reading: _Reading) -> tuple[datetime, timedelta]:
        """Return the reading advanced to now, and its maximum error."""
        passed = max(0.0, self._monotonic() - reading.monotonic)
        return reading.at + timedelta(seconds=passed), timedelta(seconds=passed * DRIFT)


def certificate_begin(path: Path) -> datetime:
    """Return the start of a PEM certificate's validity, which has passed for its owner; the epoch if unreadable."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc
    except (OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _read(path: Path) -> datetime | None:
    try:
        kept = datetime.fromisoformat(path.read_text().strip())
    except (OSError, ValueError):
        return None
    return kept if kept.tzinfo is not None else None
