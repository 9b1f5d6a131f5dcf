"""Run each request as one transaction in the scope of its caller."""

from collections.abc import Callable
from http import HTTPStatus

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from apps.common.access import Principal
from apps.common.db.scope import tenant_scope
from apps.common.http.endpoints import has_own_scope
from apps.common.problems import Problem, problem_response


class ScopeMiddleware:
    """Opens the caller's scope around the view; a response of 400 or above rolls back the view's writes.

    `request.principal` was set by the middleware before this one; for an anonymous caller the scope is empty. Some
    endpoints (signing in) open their own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, from inside the caller's scope."""
        if has_own_scope(request):
            return self.get_response(request)
        principal: Principal | None = getattr(request, "principal", None)
        with tenant_scope(principal.grants if principal else ()):
            response = self.get_response(request)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                transaction.set_rollback(True)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the response for a problem that was raised outside of DRF."""
        return problem_response(error) if isinstance(error, Problem) else None
