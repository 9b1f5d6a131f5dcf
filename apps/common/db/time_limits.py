"""Time limits for statements and locks, and the errors of exceeding them.

Every connection of the application roles has the limits of `settings.DATABASE_TIME_LIMITS`. Work with other needs sets
its own limits here, for the rest of its transaction.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from apps.common.db.scope import current_scope

logger = logging.getLogger(__name__)


def limit_lock_wait(limit: timedelta | None) -> None:
    """Limit the wait for each lock until the end of the transaction; None: the connection's own limit."""
    _set("lock_timeout", limit)


def limit_statements(limit: timedelta | None) -> None:
    """Limit the duration of statements until the end of the transaction; None: the connection's own limit."""
    _set("statement_timeout", limit)


def is_lock_conflict(error: DatabaseError | InterfaceError) -> bool:
    """Return whether a statement failed because another transaction has locked a row: worth trying again."""
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


@contextmanager
def skipped_when_locked(what: str) -> Iterator[None]:
    """Roll back the block, and log it, if another transaction blocks it.

    For a write that must not make the rest of its transaction fail.
    """
    try:
        with transaction.atomic(using=current_scope().alias):
            yield
    except OperationalError as error:
        if not is_lock_conflict(error):
            raise
        logger.warning("%s could not be written: %s", what, error)


def milliseconds(limit: timedelta) -> int:
    """Return the limit in milliseconds, as PostgreSQL requires."""
    return round(limit / timedelta(milliseconds=1))


def _set(name: str, limit: timedelta | None) -> None:
    value = "DEFAULT" if limit is None else str(milliseconds(limit))
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(f"SET LOCAL {name} TO {value}")
