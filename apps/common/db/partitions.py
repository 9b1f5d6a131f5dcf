"""Monthly partitions: create them ahead of time, move rows out of the default one, and retire old ones.

Each step is a separate short transaction and safe to run twice. The next run catches up after an outage, since the
existing partitions are read from the catalogue.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import DatabaseError, connections

from apps.common.db.scope import system_scope

logger = logging.getLogger(__name__)

MONTHS_AHEAD: Final = 3
LOCK_TIMEOUT: Final = "200ms"
"""The longest that a partition's lock and ingest wait for each other; the next run tries again."""


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table partitioned by month. `retain_months` whole months stay attached after their end."""

    name: str
    retain_months: int


def keep(table: PartitionedTable, *, today: date) -> None:
    """Create partitions up to MONTHS_AHEAD, and for rows in the default partition; retire the oldest."""
    existing, waiting = _months(table.name)
    oldest = _plus(today, -table.retain_months)
    for month in sorted({*_ahead(today), *waiting} - existing):
        _step(table.name, "partition_ensure", month)
    for month in sorted(month for month in existing if month < oldest):
        _step(table.name, "partition_retire", month)


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


def _step(table: str, function: str, month: date) -> None:
    try:
        with system_scope(), connections["system"].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute(f"SELECT {function}(%s, %s)", [table, month])
    except DatabaseError as error:
        logger.warning("%s of %s %s waits for the next run: %s", function, table, month, error)
