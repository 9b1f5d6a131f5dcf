"""Celery entry points of the common app."""

from celery import shared_task
from django.utils import timezone

from apps.common import feed
from apps.common.audit import checkpoints
from apps.common.http.writes import idempotency
from apps.common.observability import heartbeats
from apps.common.retention import purge


@shared_task
def store_audit_heads() -> None:
    """Store signed heads of the audit chains in object storage, once a day; called each hour."""
    checkpoints.store_if_due(timezone.now())


@shared_task
def beat() -> None:
    """Record that beat sends tasks and a worker runs them."""
    heartbeats.show("beat", timezone.now())


@shared_task
def forget_idempotency_keys() -> None:
    """Delete expired responses."""
    purge("idempotency_keys", idempotency.forget_old, now=timezone.now())


@shared_task
def purge_feed() -> None:
    """Delete feed events that no cursor can resume from."""
    purge("feed", feed.forget_old, now=timezone.now())
