"""Limits on the size of request bodies, by caller and purpose.

Only a gateway's batch and an imported table are large. Before authentication, a body has a password, a code or a link:
parsing more for a stranger would take time from alarms.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.common.access import Principal, PrincipalKind
from apps.common.http.endpoints import is_public_endpoint, is_transfer
from apps.common.problems import Problem, TooLarge, problem_response

ANONYMOUS_BYTES: Final = 16 * 1024
ORDINARY_BYTES: Final = 256 * 1024


class BodyTooSlow(Problem):
    """The body did not arrive in time, or others needed its memory meanwhile."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "body_too_slow"
    default_detail = "The body did not arrive in time: send it again, whole."


class BodyLimitMiddleware:
    """Runs after the middleware that identifies the caller, and before anything that reads the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, or refuse the request with 413."""
        limit = _limit(request)
        if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            return problem_response(TooLarge(f"Send at most {limit} bytes in this request."))
        return self.get_response(request)


def _limit(request: HttpRequest) -> int:
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None or is_public_endpoint(request):
        return ANONYMOUS_BYTES
    if principal.kind is PrincipalKind.GATEWAY or is_transfer(request):
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return ORDINARY_BYTES
