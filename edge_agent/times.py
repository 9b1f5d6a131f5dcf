"""Times as text: RFC 3339, UTC, always milliseconds, always Z (contracts/common)."""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval that contains a time."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment by each of the gateway's clocks.

    `wall` is for display. `elapsed` counts seconds, is never set, and continues across restarts of the program: use it
    for durations. `cloud` is the cloud's time as measured by the gateway; None before the cloud's first response since
    startup.
    """

    wall: datetime
    elapsed: float
    cloud: Bounds | None = None


def now() -> datetime:
    """Return the wall clock, truncated to the milliseconds of the messages."""
    return cut(datetime.now(UTC))


def instant() -> Instant:
    """Return the current moment by the two clocks of this machine."""
    return Instant(now(), time.monotonic())


def boot() -> str:
    """Return an id of this boot of the machine; a random one if the kernel has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def cut(moment: datetime) -> datetime:
    """Truncate to milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text(moment: datetime) -> str:
    """Format a time for messages."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
