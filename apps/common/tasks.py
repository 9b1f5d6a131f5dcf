"""Celery entry points of what every app stands on."""

from celery import shared_task
from django.utils import timezone

from apps.common import feed
from apps.common.audit import checkpoints
from apps.common.http import idempotency
from apps.common.observability import heartbeats
from apps.common.retention import purge


@shared_task
def store_audit_heads() -> None:
    """Sign the heads of the audit trail into object storage, once a day. Asked for each hour."""
    checkpoints.store_if_due(timezone.now())


@shared_task
def beat() -> None:
    """Show that beat sends and a worker works."""
    heartbeats.show("beat", timezone.now())


@shared_task
def forget_idempotency_keys() -> None:
    """Delete responses that are kept no longer."""
    purge("idempotency_keys", idempotency.forget_old, now=timezone.now())


@shared_task
def purge_feed() -> None:
    """Delete feed events that no cursor reaches."""
    purge("feed", feed.forget_old, now=timezone.now())
