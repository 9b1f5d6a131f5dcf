"""Retention: delete expired rows in small transactions, so that no alarm waits, and record it in the audit trail."""

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
    """Deletes at most `limit` rows in the open system scope, and returns how many."""

    def __call__(self, *, now: datetime, limit: int) -> int:
        """Delete rows and return their number."""
        ...


def delete_some(rows: QuerySet[Any], *, limit: int) -> int:
    """Delete at most `limit` of these rows in their own database; return how many, without cascades."""
    chosen = list(rows.values_list("pk", flat=True)[:limit])
    if not chosen:
        return 0
    deleted: dict[str, int] = rows.model._default_manager.using(rows.db).filter(pk__in=chosen).delete()[1]
    return deleted.get(rows.model._meta.label, 0)


def purge(what: str, forget: Forget, *, now: datetime) -> int:
    """Delete batch by batch until no expired row is left; return how many. One audit row records the rule."""
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
