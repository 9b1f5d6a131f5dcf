"""Time as text: RFC 3339, UTC, always milliseconds, always Z (contracts/common)."""

from datetime import UTC, datetime


def now() -> datetime:
    """The wall clock, cut to the milliseconds that the messages carry."""
    return cut(datetime.now(UTC))


def cut(moment: datetime) -> datetime:
    """Without what is less than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text(moment: datetime) -> str:
    """As the messages carry it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
