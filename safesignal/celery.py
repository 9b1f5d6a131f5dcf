"""Celery: tasks are hints and a fast path; what is due stands in the database."""

import os

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
app = Celery("safesignal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def catch_up(**_: object) -> None:
    """Do at once what came due while no worker ran: beat counts its hour from its own start."""
    app.send_task("apps.alerts.tasks.keep_partitions")
