"""Celery entry points of alerts."""

from datetime import date
from typing import Final

from celery import shared_task
from django.utils import timezone

from apps.alerts import drills
from apps.common.db import partitions
from apps.common.db.partitions import PartitionedTable
from apps.common.retention import purge

HOT_MONTHS: Final = 24
"""Alerts stay queryable for two years; what is older is detached into the schema `retired`, never dropped."""
METRIC_MONTHS: Final = 13

TABLES: Final = (
    PartitionedTable("alert_history", HOT_MONTHS),
    PartitionedTable("alert_events", HOT_MONTHS),
    PartitionedTable("alert_notes", HOT_MONTHS),
    PartitionedTable("device_metrics", METRIC_MONTHS),
)


@shared_task
def keep_partitions(today: str | None = None) -> None:
    """Partitions of the months ahead, and of rows that fell outside. `today` (ISO 8601) is for catching up by hand."""
    day = date.fromisoformat(today) if today else timezone.now().date()
    for table in TABLES:
        partitions.keep(table, today=day)


@shared_task
def purge_drill_arms() -> None:
    """Delete the arms of drills of other days."""
    purge("drill_arms", drills.forget_old_arms, now=timezone.now())


@shared_task
def end_drills() -> None:
    """End drills that ran for their longest time."""
    drills.end_overdue(now=timezone.now())
