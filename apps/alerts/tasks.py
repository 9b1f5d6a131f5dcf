"""Celery entry points of alerts."""

from datetime import date

from celery import shared_task
from django.utils import timezone

from apps.alerts import drills
from apps.common import retention
from apps.common.db import partitions


@shared_task
def keep_partitions(today: str | None = None) -> None:
    """Create partitions of coming months and of rows outside any. `today` (ISO 8601) is for manual runs."""
    day = date.fromisoformat(today) if today else timezone.now().date()
    for rule in retention.registered():
        if isinstance(rule, retention.Months):
            partitions.create(rule.subject, today=day)


@shared_task
def end_drills() -> None:
    """End drills that reached their maximum duration."""
    drills.end_overdue(now=timezone.now())
