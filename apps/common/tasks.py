"""Celery entry points of the common app."""

from celery import shared_task
from django.utils import timezone

from apps.common import retention
from apps.common.audit import checkpoints
from apps.common.observability import heartbeats


@shared_task
def store_audit_heads() -> None:
    """Store signed heads of the audit chains in object storage, once a day; called each hour."""
    checkpoints.store_if_due(timezone.now())


@shared_task
def beat() -> None:
    """Record that beat sends tasks and a worker runs them."""
    heartbeats.show("beat", timezone.now())


@shared_task
def apply_retention() -> None:
    """Delete everything that has been kept long enough."""
    retention.apply_all(retention.registered(), now=timezone.now())
