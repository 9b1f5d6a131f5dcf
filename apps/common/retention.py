"""Retention: what is deleted when. Apps register their rules in `ready()`; one task applies all of them each hour.

Each rule works in small transactions, so that no alarm waits, and writes one audit entry if anything was due.
`docs/operations.md` lists the rules.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Protocol

from django.db import connections
from django.db.models import Model

from apps.common import audit
from apps.common.access import SYSTEM
from apps.common.db import partitions
from apps.common.db.scope import system_scope

logger = logging.getLogger(__name__)

BATCH: Final = 2000
TIME_LIMITS: Final = "SET LOCAL lock_timeout = '200ms'; SET LOCAL statement_timeout = '5s'"


class Forget(Protocol):
    """Deletes at most `limit` rows from before a time, in the open system scope, and returns how many."""

    def __call__(self, *, before: datetime, limit: int) -> int:
        """Delete rows and return their number."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that are deleted when they have been kept long enough."""

    subject: str
    """What is deleted; the `target_kind` of the audit entry."""
    kept: timedelta
    since: str
    """The moment from which `kept` counts."""
    source: str
    """The requirement or the reason that `kept` comes from."""
    forget: Forget

    def steps(self, now: datetime) -> Iterator[int]:
        """Delete batch by batch until nothing is due, and yield the number of rows of each batch."""
        deleted = BATCH
        while deleted == BATCH:
            with system_scope():
                with connections["system"].cursor() as cursor:
                    cursor.execute(TIME_LIMITS)
                deleted = self.forget(before=now - self.kept, limit=BATCH)
            yield deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """A partitioned table whose whole months are detached into the schema `retired`, and never dropped."""

    subject: str
    """The table; the `target_kind` of the audit entry."""
    kept: int
    """Months that stay after the end of a month."""
    source: str

    def steps(self, now: datetime) -> Iterator[int]:
        """Detach the months that are due, and yield the number of each step."""
        return partitions.retire(self.subject, keep_months=self.kept, today=now.date())


Rule = Rows | Months
_rules: dict[str, Rule] = {}


def register(*rules: Rule) -> None:
    """Add the rules of an app. Raises ValueError if a subject has another rule."""
    for rule in rules:
        if _rules.setdefault(rule.subject, rule) != rule:
            raise ValueError(f"The retention of {rule.subject} has another rule already.")


def registered() -> Sequence[Rule]:
    """Return the rules of the apps, in the order of the apps."""
    return tuple(_rules.values())


def apply_all(rules: Iterable[Rule], *, now: datetime) -> None:
    """Apply the rules; one that fails is logged, and the next run tries it again."""
    for rule in rules:
        try:
            apply(rule, now=now)
        except Exception:
            logger.exception("the retention of %s failed and will run again", rule.subject)
            connections["system"].close()


def apply(rule: Rule, *, now: datetime) -> int:
    """Delete what is due under a rule; return how many. One audit entry records what was deleted, even on failure."""
    total = 0
    try:
        for deleted in rule.steps(now):
            total += deleted
    finally:
        if total:
            _record(rule, total, now)
    return total


@cache
def delete_before(model: type[Model], field: str) -> Forget:
    """Return the function that deletes the rows of a model whose `field` is before a time, without cascades.

    It is the same one for the same arguments, so that a rule equals the one that an app registers again.
    """

    def forget(*, before: datetime, limit: int) -> int:
        rows = model._default_manager.using("system")
        old = rows.filter(**{f"{field}__lt": before}).order_by(field)
        chosen = list(old.values_list("pk", flat=True)[:limit])
        if not chosen:
            return 0
        deleted: dict[str, int] = rows.filter(pk__in=chosen).delete()[1]
        return deleted.get(model._meta.label, 0)

    return forget


def _record(rule: Rule, count: int, now: datetime) -> None:
    with system_scope():
        audit.record(
            actor=SYSTEM,
            action=audit.CommonAction.RETENTION_THINNED,
            target_kind=rule.subject,
            target_id=None,
            organization_id=None,
            outcome=audit.DONE,
            count=count,
            before=now.isoformat(),
        )
