"""Queueing tasks for the worker by name: the queue contains ids and addresses, never a secret."""

from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError, OperationalError

from apps.common.problems import Unavailable

TASKS = "apps.accounts.tasks"


def later(task: str, *args: str) -> None:
    """Queue a task of this app. Raises Unavailable if the queue cannot be reached."""
    try:
        current_app.send_task(f"{TASKS}.{task}", args)
    except (KombuError, OperationalError, OSError):
        raise Unavailable() from None


def after_commit(task: str, *args: str) -> None:
    """Queue a task after this transaction commits. A failure to queue is logged; the change stays committed."""
    transaction.on_commit(partial(later, task, *args), robust=True)
