"""Celery entry points of devices."""

from celery import shared_task
from django.utils import timezone

from apps.common.operations import sweeps
from apps.common.retention import thin
from apps.devices import retention, supervision


@shared_task
def thin_gateway_records() -> None:
    """Thin out what gateways sent, and the identifiers of their assertions."""
    now = timezone.now()
    thin("gateway_events", retention.forget_old_events, now=now)
    thin("gateway_assertions", retention.forget_used_assertions, now=now)


@shared_task
def supervise() -> None:
    """Notice what has gone silent, and what is back."""
    sweeps.run(supervision.SWEEP)
