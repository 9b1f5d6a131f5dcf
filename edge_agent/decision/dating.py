"""When was it pressed? Each press is dated once, here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from edge_agent.messages.press import Press

CLOCK_TOLERANCE = timedelta(seconds=30)
GREATEST_AGE = timedelta(hours=24)
"""An age above this is not believed: it would put a real press before a close that it came after."""


@dataclass(frozen=True, slots=True)
class Dated:
    """`pressed_at` is what is told. `no_later` is the latest that it can have been: it decides against a close, so
    that a slow clock in a button never hides a press behind one. `claimed_at` is what a suspect clock said."""

    pressed_at: datetime
    no_later: datetime
    clock_suspect: bool = False
    claimed_at: datetime | None = None


def date(press: Press, arrived_at: datetime) -> Dated:
    """The button's own time when it is near arrival less age, and synchronized; else arrival less age."""
    age = timedelta(0)
    age_believed = True
    if press.age_ms is not None:
        age_believed = press.age_ms <= GREATEST_AGE / timedelta(milliseconds=1)
        age = timedelta(milliseconds=press.age_ms) if age_believed else age
    by_age = arrived_at - age
    if press.at is None:
        return Dated(by_age, by_age, clock_suspect=not age_believed)
    if abs(press.at - by_age) > CLOCK_TOLERANCE:
        return Dated(by_age, by_age, clock_suspect=True, claimed_at=press.at)
    if press.clock != "ntp":
        return Dated(by_age, by_age, clock_suspect=not age_believed)
    return Dated(min(press.at, arrived_at), by_age, clock_suspect=not age_believed)
