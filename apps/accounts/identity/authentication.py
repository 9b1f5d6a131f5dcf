"""DRF's view of the caller whom the middleware found."""

from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apps.accounts.identity.middleware import bearer_token
from apps.common.access import Principal
from apps.common.problems import Forbidden


class CsrfFailed(Forbidden):
    """A browser's session alone does not prove that its user meant this request."""

    code = "csrf_failed"


class PrincipalAuthentication(SessionAuthentication):
    """The principal as `request.user`. Who came by session must show the CSRF token for what changes something."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The caller, or None. Raises CsrfFailed."""
        principal: Principal | None = getattr(request._request, "principal", None)
        if principal is None:
            return None
        if bearer_token(request._request) is None:
            self._require_csrf(request)
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"

    def _require_csrf(self, request: Request) -> None:
        try:
            self.enforce_csrf(request)
        except PermissionDenied as error:
            raise CsrfFailed(str(error.detail)) from None
