"""Time as text: RFC 3339, UTC, always milliseconds, always Z (`contracts/common`)."""

from datetime import UTC, datetime


def rfc3339(at: datetime) -> str:
    """An aware time as every message carries it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
