"""Celery entry points of devices."""

from celery import shared_task
from django.utils import timezone

from apps.common.operations import sweeps
from apps.common.retention import purge
from apps.devices import retention
from apps.devices.supervision import supervision


@shared_task
def purge_gateway_records() -> None:
    """Delete old gateway events and the identifiers of expired assertions."""
    now = timezone.now()
    purge("gateway_events", retention.forget_old_events, now=now)
    purge("gateway_assertions", retention.forget_used_assertions, now=now)


@shared_task
def supervise() -> None:
    """Raise and end the troubles of everything that is supervised."""
    sweeps.run(supervision.SWEEP)
