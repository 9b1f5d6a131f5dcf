"""How long a statement and a lock may take, and what it means when one took longer.

Every connection of the application roles has the limits of `settings.DATABASE_TIME_LIMITS`. Work that needs other
limits sets them here, for the rest of its transaction.
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
    """From here to the end of the transaction no lock is waited for longer; None: as long as the connection allows."""
    _set("lock_timeout", limit)


def limit_statements(limit: timedelta | None) -> None:
    """From here to the end of the transaction no statement takes longer; None: as long as the connection allows."""
    _set("statement_timeout", limit)


def is_lock_conflict(error: DatabaseError | InterfaceError) -> bool:
    """Whether a statement failed because another transaction has a row that it needs: worth trying again."""
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


@contextmanager
def skipped_when_locked(what: str) -> Iterator[None]:
    """A write that must not cost the rest of its transaction: undone and logged when another transaction is in its
    way.
    """
    try:
        with transaction.atomic(using=current_scope().alias):
            yield
    except OperationalError as error:
        if not is_lock_conflict(error):
            raise
        logger.warning("%s could not be written: %s", what, error)


def milliseconds(limit: timedelta) -> int:
    """The form that PostgreSQL takes."""
    return round(limit / timedelta(milliseconds=1))


def _set(name: str, limit: timedelta | None) -> None:
    value = "DEFAULT" if limit is None else str(milliseconds(limit))
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(f"SET LOCAL {name} TO {value}")
