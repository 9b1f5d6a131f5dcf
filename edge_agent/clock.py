"""The time, as well as this gateway can know it.

The system clock may be wrong by decades: no battery, no network at start, a wrong setting. The gateway never waits for
a right one. It knows two things: a floor (the last time that the cloud confirmed, kept on disk; the beginning of its
own certificate), and what the cloud last said, carried on by the monotonic clock.
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
"""A system clock this near to the cloud's is as good: an answer's date has whole seconds, and took time to travel."""
DRIFT = 1e-3
"""A monotonic clock that nothing disciplines may be wrong by this part of what has passed."""
SERVER_KEEPS_DATE = timedelta(seconds=1)
"""Web servers make the text of the date once a second, so it may be that old."""
SLOWEST_ANSWER_SECONDS = 5.0
"""A date that took longer says too little."""
FLOOR_EVERY = timedelta(minutes=10)
"""How much newer than the kept floor a time must be to be worth a write."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A moment and the monotonic clock, in seconds, when it was that time, give or take `error`."""

    at: datetime
    monotonic: float
    error: timedelta = timedelta(0)


class Clock:
    """`floor` is a time that is certainly past. `wall` and `monotonic` are the system's two clocks."""

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
        """The system's time while nothing speaks against it; else the cloud's, or the floor, carried on."""
        wall = self._wall()
        return wall if self._plausible(wall) else times.cut(self._carried(self._confirmed or self._start)[0])

    def instant(self) -> Instant:
        """Now, by all clocks: that of `now`, the monotonic one, and the cloud's as far as it is known."""
        return Instant(self.now(), self._monotonic(), self._cloud())

    @property
    def confirmed(self) -> bool:
        """The cloud has said what time it is since the start."""
        return self._confirmed is not None

    @property
    def offset(self) -> timedelta | None:
        """How far the system clock is ahead of the cloud's; None before the cloud was heard."""
        return None if self._confirmed is None else self._wall() - self._carried(self._confirmed)[0]

    @property
    def fault(self) -> str | None:
        """What is wrong with the system clock, for people."""
        wall = self._wall()
        if self._plausible(wall):
            return None
        known = self._carried(self._confirmed or self._start)[0]
        return f"the system clock says {times.text(wall)}, where it is {times.text(known)} or later"

    def elapsed(self) -> float:
        """Seconds of the monotonic clock: for durations."""
        return self._monotonic()

    def confirm(self, told: datetime, asked_at: float, *, proved: bool) -> bool:
        """The cloud dated an answer to a question of `asked_at` (monotonic). False when the date is not believed:
        the answer took too long, or the date is before the floor and was not `proved` by a certificate whose dates
        the system clock agrees with."""
        heard_at = self._monotonic()
        if heard_at - asked_at > SLOWEST_ANSWER_SECONDS or (told + AGREES < self.floor and not proved):
            return False
        # Dates are cut to the second, and the answer was dated at some time between question and arrival.
        half = timedelta(seconds=0.5 + (heard_at - asked_at) / 2)
        self._confirmed = _Reading(told + half, heard_at, half + SERVER_KEEPS_DATE)
        self.floor = told if proved else max(self.floor, told)
        return True

    def keep_floor(self) -> None:
        """Write the floor down, when it has moved. Blocks for the disk; one that fails costs only the copy."""
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
            log.warning("the last good time could not be kept", extra={"reason": str(error)})
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
        """That time now, and by how much it may be wrong."""
        passed = max(0.0, self._monotonic() - reading.monotonic)
        return reading.at + timedelta(seconds=passed), timedelta(seconds=passed * DRIFT)


def certificate_begin(path: Path) -> datetime:
    """When a PEM certificate was made valid: a time that is past for whoever holds it. The epoch if unreadable."""
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
