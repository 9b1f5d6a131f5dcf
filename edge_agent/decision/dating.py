"""When was it pressed? Each press is dated once, here: a time to tell, and an interval to decide by.

In doubt a press is a new alert and it is real (safety rule 36), so every bound is taken as wide as it can be.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge_agent.messages.press import Press
from edge_agent.times import Bounds, Instant

CLOCK_TOLERANCE = timedelta(seconds=30)
"""A button's time that is further than this from arrival less age is not told as the time of the press."""
GREATEST_AGE = timedelta(hours=24)
"""An age above this is not believed: it would put a real press before a close that it came after."""
CLOCK_ERROR = timedelta(milliseconds=500)
"""By how much a button's synchronized clock, or a message's way to the gateway, may be off without a sign of it."""
DRIFT = 0.001
"""By what part of its age a press may be younger than its button counted."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest time that a message can carry."""


@dataclass(frozen=True, slots=True)
class Dated:
    """`pressed_at` is what is told, by the gateway's clock; `claimed_at` is what a suspect clock said.

    The press was made at `earliest` at the earliest and `latest` at the latest, in seconds of `Instant.elapsed`;
    `earliest` is None where there is no such bound. `counted` is the likeliest moment by the button's own count.
    `cloud` is the interval by the cloud's clock; None where the gateway has not measured that.
    """

    pressed_at: datetime
    earliest: float | None
    latest: float
    counted: float
    cloud: Bounds | None
    clock_suspect: bool = False
    claimed_at: datetime | None = None


def date(press: Press, arrived: Instant, *, queued: bool = False) -> Dated:
    """The button's own time when it is near arrival less age, and synchronized; else arrival less age.

    `queued`: the message may have waited at the broker.
    """
    believed = press.age_ms is None or press.age_ms <= GREATEST_AGE / timedelta(milliseconds=1)
    age = timedelta(milliseconds=press.age_ms) if press.age_ms is not None and believed else timedelta(0)
    by_age = max(EPOCH, arrived.wall - age)
    near = press.at is not None and abs(press.at - by_age) <= CLOCK_TOLERANCE
    oldest = _oldest(press, arrived, age, queued=queued or press.age_ms is None or not believed)
    youngest = age * (1 - DRIFT)
    return Dated(
        pressed_at=min(press.at, arrived.wall) if near and press.at is not None and _synchronized(press) else by_age,
        earliest=None if oldest is None else arrived.elapsed - oldest.total_seconds(),
        latest=arrived.elapsed - youngest.total_seconds(),
        counted=arrived.elapsed - age.total_seconds(),
        cloud=_by_cloud(arrived, oldest, youngest),
        clock_suspect=not believed or press.clock_broken or (press.at is not None and not near),
        claimed_at=None if near else press.at,
    )


def _oldest(press: Press, arrived: Instant, age: timedelta, *, queued: bool) -> timedelta | None:
    """How long before its arrival the press was made at the most; None: nobody knows."""
    if press.at is not None and _synchronized(press) and abs(arrived.wall - press.at) <= GREATEST_AGE:
        return max(age, arrived.wall - press.at) + CLOCK_ERROR
    return None if queued else age + CLOCK_ERROR


def _by_cloud(arrived: Instant, oldest: timedelta | None, youngest: timedelta) -> Bounds | None:
    if arrived.cloud is None:
        return None
    earliest = EPOCH if oldest is None else arrived.cloud.earliest - oldest
    return Bounds(max(EPOCH, earliest), max(EPOCH, arrived.cloud.latest - youngest))


def _synchronized(press: Press) -> bool:
    return press.clock == "ntp"
