"""Deleting what is kept no longer: in small transactions, so that no alarm waits for it; the audit trail is told."""

from datetime import datetime
from typing import Any, Final, Protocol

from django.db import connections
from django.db.models import QuerySet

from apps.common import audit
from apps.common.access import SYSTEM
from apps.common.db.scope import system_scope

BATCH: Final = 2000
TIME_LIMITS: Final = "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '5s'"


class Forget(Protocol):
    """Deletes at most `limit` rows in the open system scope, and says how many."""

    def __call__(self, *, now: datetime, limit: int) -> int:
        """How many were deleted."""
        ...


def delete_some(rows: QuerySet[Any], *, limit: int) -> int:
    """Delete at most `limit` of these rows; how many of their own kind. In the database that they are read from."""
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    if not chosen:
        return 0
    deleted: dict[str, int] = rows.model._default_manager.using(rows.db).filter(pk__in=chosen).delete()[1]
    return deleted.get(rows.model._meta.label, 0)


def purge(what: str, forget: Forget, *, now: datetime) -> int:
    """Delete batch by batch until nothing old is left; how many. One audit row says what went by which rule."""
    total = 0
    while True:
        with system_scope():
            with connections["system"].cursor() as cursor:
                cursor.execute(TIME_LIMITS)
            deleted = forget(now=now, limit=BATCH)
        total += deleted
        if deleted < BATCH:
            break
    if total:
        with system_scope():
            audit.record(
                actor=SYSTEM,
                action=audit.CommonAction.RETENTION_THINNED,
                target_kind=what,
                target_id=None,
                organization_id=None,
                outcome=audit.DONE,
                count=total,
                before=now.isoformat(),
            )
    return total
