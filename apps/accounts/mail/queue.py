"""Handing work to the worker by name: the queue is told ids and addresses, never a secret."""

from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError, OperationalError

from apps.common.problems import Unavailable

TASKS = "apps.accounts.tasks"


def later(task: str, *args: str) -> None:
    """Queue a task of this app. Raises Unavailable while the queue is away."""
    try:
        current_app.send_task(f"{TASKS}.{task}", args)
    except (KombuError, OperationalError, OSError):
        raise Unavailable() from None


def after_commit(task: str, *args: str) -> None:
    """Queue it once this transaction is committed; should that fail, the change stands and the failure is logged."""
    transaction.on_commit(partial(later, task, *args), robust=True)
