"""Whether this process is alive, and whether it can serve."""

import redis
from django.db import DatabaseError, connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from apps.common import valkey
from apps.common.http.endpoints import public_endpoint


@public_endpoint
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Return 200: the process responds."""
    return JsonResponse({"status": "live"})


@public_endpoint
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Return 200 if the database responds. Without Valkey everything is slower but works: still ready."""
    checks = {"database": _database(), "valkey": _valkey()}
    return JsonResponse(
        {"status": "ready" if checks["database"] else "not ready", **checks}, status=200 if checks["database"] else 503
    )


def _database() -> bool:
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _valkey() -> bool:
    try:
        return bool(valkey.client().ping())
    except redis.RedisError:
        return False
