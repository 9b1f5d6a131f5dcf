"""Celery entry points of what every app stands on."""

from celery import shared_task
from django.utils import timezone

from apps.common import audit_heads, feed, heartbeats, idempotency, thinning


@shared_task
def store_audit_heads() -> None:
    """Sign the heads of the audit trail into object storage, once a day. Asked for each hour."""
    audit_heads.store_if_due(timezone.now())


@shared_task
def beat() -> None:
    """Show that beat sends and a worker works."""
    heartbeats.show("beat", timezone.now())


@shared_task
def forget_idempotency_keys() -> None:
    """Thin out answers that are kept no longer."""
    thinning.thin("idempotency_keys", idempotency.forget_old, now=timezone.now())


@shared_task
def thin_feed() -> None:
    """Thin out the feed behind what any cursor reaches."""
    thinning.thin("feed", feed.forget_old, now=timezone.now())
