"""Authentication classes: bearer tokens for the middleware, and the resolved principal for DRF."""

from rest_framework import HTTP_HEADER_ENCODING
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from apps.accounts.identity.principals.principals import Named, named_by_bearer, principal_named
from apps.common.access import Principal
from apps.common.problems import Forbidden

SCHEME = b"bearer"


class CsrfFailed(Forbidden):
    """A browser's session alone does not prove that its user meant this request."""

    code = "csrf_failed"


class BearerAuthentication(JWTAuthentication):
    """`Authorization: Bearer`, with an access token or a service token."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token (RFC 6750, 2.1), which may be empty; None if the header uses another scheme."""
        scheme, _, token = header.partition(b" ")
        return token.strip() if scheme.lower() == SCHEME else None

    def get_validated_token(self, raw_token: bytes) -> Named:  # type: ignore[override]
        """Return the caller that the token names. Raises BadToken."""
        return named_by_bearer(raw_token.decode(HTTP_HEADER_ENCODING))

    def get_user(self, validated_token: Named) -> Principal:  # type: ignore[override]
        """Return that caller with their current rights. Raises BadToken."""
        return principal_named(validated_token)


class PrincipalAuthentication(SessionAuthentication):
    """Set the principal as `request.user`, and the identity from a bearer token as `request.auth`.

    A caller with a session must send the CSRF token with unsafe methods.
    """

    def authenticate(self, request: Request) -> tuple[Principal, Named | None] | None:
        """Return the caller, or None. Raises CsrfFailed."""
        principal: Principal | None = getattr(request._request, "principal", None)
        if principal is None:
            return None
        bearer: Named | None = getattr(request._request, "bearer", None)
        if bearer is None:
            self._require_csrf(request)
        return principal, bearer

    def authenticate_header(self, request: Request) -> str:
        """Return the `WWW-Authenticate` header of a 401."""
        return "Bearer"

    def _require_csrf(self, request: Request) -> None:
        try:
            self.enforce_csrf(request)
        except PermissionDenied as error:
            raise CsrfFailed(str(error.detail)) from None
