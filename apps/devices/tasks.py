"""Celery entry points of devices."""

from celery import shared_task

from apps.common.operations import sweeps
from apps.devices.supervision import supervision


@shared_task
def supervise() -> None:
    """Raise and end the troubles of everything that is supervised."""
    sweeps.run(supervision.SWEEP)
