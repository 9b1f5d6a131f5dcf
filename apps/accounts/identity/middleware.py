"""Resolves the principal once for each request, before anything else is done for it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts.identity import last_use
from apps.accounts.identity.principals import principal_from_bearer, principal_from_session
from apps.common.access import Principal
from apps.common.http.addresses import address_of
from apps.common.http.endpoints import is_public_endpoint
from apps.common.problems import Unauthenticated, problem_response

SCHEME = "bearer"


class PrincipalMiddleware:
    """Sets `request.principal`: from `Authorization: Bearer`, else from the session, else None.

    A bearer token that is no good is a 401 at once: falling back to the session would act as somebody else than the
    caller named.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request as its caller."""
        try:
            principal = None if is_public_endpoint(request) else _principal(request)
        except Unauthenticated as problem:
            response = problem_response(problem)
            response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        request.principal = principal  # type: ignore[attr-defined]
        if principal is not None:
            last_use.note(principal, address=address_of(request), now=timezone.now())
        return self.get_response(request)


def _principal(request: HttpRequest) -> Principal | None:
    token = bearer_token(request)
    return principal_from_session(request.session) if token is None else principal_from_bearer(token)


def bearer_token(request: HttpRequest) -> str | None:
    """The token of `Authorization: Bearer <token>` (RFC 6750, 2.1); None when the header names no such scheme."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == SCHEME else None
