"""Figures for Prometheus, and the door where it reads them: `/metrics`, for this machine or with the token.

Each process counts for itself. Where several processes answer on one port, give them a folder in common by
PROMETHEUS_MULTIPROC_DIR, emptied before each start: then any of them answers for all.
"""

import os
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from apps.common.doors import open_door
from apps.common.problems import NotFound, problem_response

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_requests = Histogram(
    "safesignal_http_request_seconds",
    "Requests by route, and how long they took.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
alerts_raised = Counter("safesignal_alerts_raised_total", "Alerts that were stored.", ["alert_type", "drill"])
ingest_seconds = Histogram(
    "safesignal_ingest_seconds",
    "A gateway's batch, from its arrival to before its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
live_clients = Gauge("safesignal_live_clients", "Open sockets and streams.", multiprocess_mode="livesum")
_outbox_depth = Gauge("safesignal_outbox_depth", "Feed events that wait for the relay.", multiprocess_mode="mostrecent")
_relay_lag = Gauge(
    "safesignal_relay_lag_seconds", "How long the oldest of them has waited.", multiprocess_mode="mostrecent"
)


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """One answered request; a method that nobody knows has no name of its own."""
    _requests.labels(method if method in METHODS else "other", route, status).observe(seconds)


@open_door
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures as text. To anybody else there is nothing here."""
    if not _may_read(request):
        return problem_response(NotFound())
    _read_outbox()
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    """Who names the token; without one, this machine, unless a proxy speaks for somebody else."""
    if settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}")
    return request.META.get("REMOTE_ADDR") in LOOPBACK and "HTTP_X_FORWARDED_FOR" not in request.META


def _read_outbox() -> None:
    """The outbox is one for all processes, so it is asked for where it is: in the database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT waiting, oldest_seconds FROM outbox_state()")
            waiting, oldest = cursor.fetchone() or (0, 0.0)
    except DatabaseError:
        waiting, oldest = float("nan"), float("nan")
    _outbox_depth.set(waiting)
    _relay_lag.set(oldest)


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
