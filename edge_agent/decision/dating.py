"""Dating of presses: each gets, once, a time to report and an interval to decide by.

In doubt a press is real and raises a new alert (safety rule 36), so every bound is as wide as it can be.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge_agent.messages.press import Press
from edge_agent.times import Bounds, Instant

CLOCK_TOLERANCE = timedelta(seconds=30)
"""A button time that differs more than this from arrival minus age is not reported as the time of the press."""
GREATEST_AGE = timedelta(hours=24)
"""A greater age is rejected: it could date a real press before a close that preceded it."""
CLOCK_ERROR = timedelta(milliseconds=500)
"""Undetectable error of a button's synchronized clock, or undetectable delay of a message on its way."""
DRIFT = 0.001
"""Maximum error of a button's age counter, as a fraction of the age."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest time that a message can contain."""


@dataclass(frozen=True, slots=True)
class Dated:
    """`pressed_at` is the time to report, by the gateway's clock; `claimed_at` is the time from a suspect button clock.

    The press happened between `earliest` and `latest`, in seconds of `Instant.elapsed`; `earliest` is None if there is
    no such bound. `counted` is the most likely moment by the button's own age counter. `cloud` is the interval by the
    cloud's clock, None if the gateway has not measured it.
    """

    pressed_at: datetime
    earliest: float | None
    latest: float
    counted: float
    cloud: Bounds | None
    clock_suspect: bool = False
    claimed_at: datetime | None = None


def date(press: Press, arrived: Instant, *, queued: bool = False) -> Dated:
    """Date a press by the button's time if it is synchronized and near arrival minus age, otherwise by its age.

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
    """The maximum time between press and arrival; None if unknown."""
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
