"""Time as text: RFC 3339, UTC, always milliseconds, always Z (`contracts/common`); and time as a typed number."""

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime.fromtimestamp(0, UTC)
A_DAY: Final = timedelta(days=1)
"""Margin at either end of the calendar, so that other zones and small sums stay within it."""


def rfc3339(at: datetime) -> str:
    """Format an aware time for messages."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_rfc3339(at: datetime | None) -> str | None:
    """Format an aware time; return None for one that is unknown or has not come yet."""
    return None if at is None else rfc3339(at)


def from_unix(*, seconds: float = 0, milliseconds: int = 0) -> datetime | None:
    """Return the time for a number that a caller sent, or None if it is at or beyond the limits of the calendar."""
    try:
        at = EPOCH + timedelta(seconds=seconds, milliseconds=milliseconds)
        _ = at - A_DAY, at + A_DAY
    except (OverflowError, ValueError):
        return None
    return at
