"""Middleware that resolves the principal once per request, before any view code."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from apps.accounts.identity import last_use
from apps.accounts.identity.principals.authentication import BearerAuthentication
from apps.accounts.identity.principals.principals import Named, principal_from_session
from apps.common.access import Principal
from apps.common.http.callers.addresses import address_of
from apps.common.http.endpoints import is_public_endpoint
from apps.common.problems import Unauthenticated, problem_response


class PrincipalMiddleware:
    """Set `request.principal`: from `Authorization: Bearer`, else from the session, else None.

    `request.bearer` is the identity that the token names; None without a token.

    An invalid bearer token is a 401 at once: falling back to the session could act as a different caller than the one
    in the token.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._bearer = BearerAuthentication()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Resolve the caller and process the request."""
        try:
            principal, bearer = (None, None) if is_public_endpoint(request) else self._caller(request)
        except Unauthenticated as problem:
            response = problem_response(problem)
            response["WWW-Authenticate"] = 'Bearer error="invalid_token"'
            return response
        request.principal, request.bearer = principal, bearer  # type: ignore[attr-defined]
        if principal is not None:
            last_use.note(principal, address=address_of(request), now=timezone.now())
        return self.get_response(request)

    def _caller(self, request: HttpRequest) -> tuple[Principal | None, Named | None]:
        bearer: tuple[Principal, Named] | None = self._bearer.authenticate(Request(request))  # type: ignore[assignment]
        return bearer or (principal_from_session(request.session), None)
