"""The outermost middleware: request id, log line and metrics; it refuses unreadable requests."""

import logging
import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.common.access import Principal
from apps.common.http.parsers import NO_NUL, NUL
from apps.common.observability import metrics, request_ids, tracing
from apps.common.problems import Invalid, Problem, TooLarge, problem_response

logger = logging.getLogger(__name__)

QUIET: Final = ("/health/", "/metrics", "/static/")
"""Paths that machines request every few seconds: not logged."""


class RequestMiddleware:
    """Runs before all others, so that their refusals have an id and are logged and counted too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, with the request's id."""
        began = time.perf_counter()
        request_id = request_ids.choose(request.headers.get(request_ids.HEADER))
        with request_ids.bound(request_id), tracing.span("request", parent=request.headers.get(tracing.HEADER)):
            refusal = _unreadable(request)
            response = problem_response(refusal) if refusal else self.get_response(request)
            response[request_ids.HEADER] = request_id
            _log_request(request, response, time.perf_counter() - began)
        return response


def _unreadable(request: HttpRequest) -> Problem | None:
    """Return why this request must not be read: its size, or a NUL, which PostgreSQL cannot store."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return TooLarge(f"Send at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes in one request.")
    if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        named = [name for name, values in request.GET.lists() if NUL in name or any(NUL in value for value in values)]
        errors = {name.replace(NUL, ""): [NO_NUL] for name in named}
        return Invalid("The address holds a NUL character, which no text may.", errors=errors)
    return None


def _log_request(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log the request by route, never by path or query, which may have text that a person typed."""
    route = request.resolver_match.route if request.resolver_match else "none"
    metrics.count_request(request.method or "", route, response.status_code, seconds)
    tracing.rename(f"{request.method} {route}", **{"http.response.status_code": response.status_code})
    principal: Principal | None = getattr(request, "principal", None)
    logger.log(
        logging.DEBUG if request.path_info.startswith(QUIET) else logging.INFO,
        "request",
        extra={
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "ms": round(seconds * 1000, 1),
            "principal": f"{principal.kind}:{principal.id}" if principal else None,
        },
    )
