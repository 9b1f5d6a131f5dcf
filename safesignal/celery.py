"""Celery: tasks are only a fast path; the database records which work is due."""

import os

from celery import Celery, Task
from celery.signals import before_task_publish, setup_logging, worker_init, worker_ready

from apps.common.observability import request_ids, tracing
from apps.common.startup import finish_loading

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
REQUEST_ID = "safesignal_request_id"


class RequestTask(Task):  # type: ignore[type-arg]
    """A task that runs with the id and the trace of the request that sent it."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Run the task."""
        headers: dict[str, str | None] = self.request.headers or {}
        parent = headers.get(tracing.HEADER)
        with request_ids.bound(headers.get(REQUEST_ID)), tracing.span(self.name, parent=parent):
            return super().__call__(*args, **kwargs)


app = Celery("safesignal", task_cls=RequestTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def catch_up(**_: object) -> None:
    """Run hourly work that became due while no worker ran: beat counts each hour from its own start."""
    app.send_task("apps.alerts.tasks.keep_partitions")
    app.send_task("apps.common.tasks.apply_retention")
    app.send_task("apps.common.tasks.store_audit_heads")


@before_task_publish.connect
def pass_on(headers: dict[str, object], **_: object) -> None:
    """Add the id and the trace of the current request to the task's headers."""
    headers[REQUEST_ID] = request_ids.current()
    headers[tracing.HEADER] = tracing.traceparent()


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Keep Celery from changing the logging that Django has set up."""


@worker_init.connect
def start(**_: object) -> None:
    """Set up the process before the worker has threads."""
    finish_loading()
    tracing.start("worker")
