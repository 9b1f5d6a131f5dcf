"""Monthly partitions: create them ahead of time, move rows out of the default one, and retire old ones.

Each step is a separate short transaction and safe to run twice. The next run catches up after an outage, since the
existing partitions are read from the catalogue.
"""

import logging
from collections.abc import Iterator
from datetime import date
from typing import Final

from django.db import DatabaseError, connections

from apps.common.db.scope import system_scope

logger = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 3
LOCK_TIMEOUT: Final = "200ms"
"""The longest that a partition's lock and ingest wait for each other; the next run tries again."""


def create(table: str, *, today: date) -> None:
    """Create partitions up to MONTHS_AHEAD, and for rows in the default partition."""
    existing, waiting = _months(table)
    for month in sorted({*_ahead(today), *waiting} - existing):
        _step(table, "partition_ensure", month)


def retire(table: str, *, keep_months: int, today: date) -> Iterator[int]:
    """Detach each month that ended more than `keep_months` whole months ago, and yield 1, or 0 if it has to wait."""
    existing, _ = _months(table)
    oldest = _plus(today, -keep_months)
    for month in sorted(month for month in existing if month < oldest):
        yield int(_step(table, "partition_retire", month))


def _ahead(today: date) -> Iterator[date]:
    return (_plus(today, months) for months in range(MONTHS_AHEAD + 1))


def _plus(day: date, months: int) -> date:
    """Return the first day of the month that is `months` after that of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _months(table: str) -> tuple[set[date], set[date]]:
    """Return the months that have a partition, and the months whose rows are in the default partition."""
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute("SELECT month, in_default FROM partition_months(%s)", [table])
        rows: list[tuple[date, bool]] = cursor.fetchall()
    return {month for month, waits in rows if not waits}, {month for month, waits in rows if waits}


def _step(table: str, function: str, month: date) -> bool:
    """Call a function of the database; return whether it changed anything."""
    try:
        with system_scope(), connections["system"].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(f"SELECT {function}(%s, %s)", [table, month])
            (changed,) = cursor.fetchone() or (False,)
    except DatabaseError as error:
        logger.warning("%s of %s %s waits for the next run: %s", function, table, month, error)
        return False
    return bool(changed)
