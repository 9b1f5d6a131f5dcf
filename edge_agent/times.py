"""Time as text: RFC 3339, UTC, always milliseconds, always Z (contracts/common)."""

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Bounds:
    """A time that is known within bounds only."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment by each clock that the gateway has.

    `wall` is for telling people. `elapsed` counts seconds, is never set, and goes on over a restart of the program:
    every duration is measured by it. `cloud` is the cloud's time as the gateway measured it; None before the first
    answer of the cloud since the start.
    """

    wall: datetime
    elapsed: float
    cloud: Bounds | None = None


def now() -> datetime:
    """The wall clock, cut to the milliseconds that the messages carry."""
    return cut(datetime.now(UTC))


def instant() -> Instant:
    """Now, by the two clocks of this machine."""
    return Instant(now(), time.monotonic())


def boot() -> str:
    """Names this boot of the machine; where the kernel does not say, every start of the program counts as one."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def cut(moment: datetime) -> datetime:
    """Without what is less than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text(moment: datetime) -> str:
    """As the messages carry it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
