"""Time as text: RFC 3339, UTC, always milliseconds, always Z (`contracts/common`); and time as a typed number."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime.fromtimestamp(0, UTC)
A_DAY: Final = timedelta(days=1)
"""Distance that is kept from either end of the calendar, so that other zones and small sums stay within it."""


def rfc3339(at: datetime) -> str:
    """An aware time as every message carries it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_rfc3339(at: datetime | None) -> str | None:
    """The same; None for a time that is not known or has not come."""
    return None if at is None else rfc3339(at)


def from_unix(*, seconds: float = 0, milliseconds: int = 0) -> datetime | None:
    """The time of a number that a caller sent, or None if it lies at or beyond an edge of the calendar."""
    try:
        at = EPOCH + timedelta(seconds=seconds, milliseconds=milliseconds)
        _ = at - A_DAY, at + A_DAY
    except (OverflowError, ValueError):
        return None
    return at
