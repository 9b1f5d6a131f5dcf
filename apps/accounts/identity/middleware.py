"""Resolves the principal once for each request, before anything else is done for it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from apps.accounts.identity import last_use
from apps.accounts.identity.authentication import BearerAuthentication
from apps.accounts.identity.principals import Named, principal_from_session
from apps.common.access import Principal
from apps.common.http.addresses import address_of
from apps.common.http.endpoints import is_public_endpoint
from apps.common.problems import Unauthenticated, problem_response


class PrincipalMiddleware:
    """Sets `request.principal`: from `Authorization: Bearer`, else from the session, else None.

    `request.bearer` is what the token named; None where there was none.

    A bearer token that is no good is a 401 at once: falling back to the session would act as somebody else than the
    caller named.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._bearer = BearerAuthentication()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request as its caller."""
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
