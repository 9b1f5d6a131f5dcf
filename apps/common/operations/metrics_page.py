"""The page from which Prometheus reads metrics: `/metrics`, for this machine or with the token.

If several processes serve one port, give them a common folder by PROMETHEUS_MULTIPROC_DIR, emptied before each start:
then each of them returns the metrics of all.
"""

import os
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from apps.common.http.endpoints import public_endpoint
from apps.common.observability import metrics
from apps.common.problems import NotFound, problem_response

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


@public_endpoint
@require_safe
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Return all metrics as text; 404 for anybody else."""
    if not _may_read(request):
        return problem_response(NotFound())
    _read_outbox()
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    """Return whether the caller has the token; if none is set, whether it is this machine and not a proxy."""
    if settings.METRICS_TOKEN:
        return constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.METRICS_TOKEN}")
    return request.META.get("REMOTE_ADDR") in LOOPBACK and "HTTP_X_FORWARDED_FOR" not in request.META


def _read_outbox() -> None:
    """Read the state of the outbox from the database, since all processes share it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT waiting, oldest_seconds FROM outbox_state()")
            waiting, oldest = cursor.fetchone() or (0, 0.0)
    except DatabaseError:
        waiting, oldest = float("nan"), float("nan")
    metrics.show_outbox(waiting, oldest)


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
