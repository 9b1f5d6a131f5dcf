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
"""Alerts stay queryable for two years; older ones are detached into the schema `retired`, never dropped."""
METRIC_MONTHS: Final = 13

TABLES: Final = (
    PartitionedTable("alert_history", HOT_MONTHS),
    PartitionedTable("alert_events", HOT_MONTHS),
    PartitionedTable("alert_notes", HOT_MONTHS),
    PartitionedTable("device_metrics", METRIC_MONTHS),
)


@shared_task
def keep_partitions(today: str | None = None) -> None:
    """Maintain partitions of coming months and of rows outside any. `today` (ISO 8601) is for manual runs."""
    day = date.fromisoformat(today) if today else timezone.now().date()
    for table in TABLES:
        partitions.keep(table, today=day)


@shared_task
def purge_drill_arms() -> None:
    """Delete the arms of drills of earlier days."""
    purge("drill_arms", drills.forget_old_arms, now=timezone.now())


@shared_task
def end_drills() -> None:
    """End drills that reached their maximum duration."""
    drills.end_overdue(now=timezone.now())
