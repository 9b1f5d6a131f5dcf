"""Who is calling: a bearer token as the middleware reads it, and DRF's view of the caller that was found."""

from rest_framework import HTTP_HEADER_ENCODING
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from apps.accounts.identity.principals import Named, named_by_bearer, principal_named
from apps.common.access import Principal
from apps.common.problems import Forbidden

SCHEME = b"bearer"


class CsrfFailed(Forbidden):
    """A browser's session alone does not prove that its user meant this request."""

    code = "csrf_failed"


class BearerAuthentication(JWTAuthentication):
    """`Authorization: Bearer`, with an access token or a service token."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """The token (RFC 6750, 2.1), though it be empty; None when the header names no such scheme."""
        scheme, _, token = header.partition(b" ")
        return token.strip() if scheme.lower() == SCHEME else None

    def get_validated_token(self, raw_token: bytes) -> Named:  # type: ignore[override]
        """The caller that it names. Raises BadToken."""
        return named_by_bearer(raw_token.decode(HTTP_HEADER_ENCODING))

    def get_user(self, validated_token: Named) -> Principal:  # type: ignore[override]
        """That caller with the rights of this moment. Raises BadToken."""
        return principal_named(validated_token)


class PrincipalAuthentication(SessionAuthentication):
    """The principal as `request.user`, and as `request.auth` what a bearer token named.

    Who came by session must show the CSRF token for what changes something.
    """

    def authenticate(self, request: Request) -> tuple[Principal, Named | None] | None:
        """The caller, or None. Raises CsrfFailed."""
        principal: Principal | None = getattr(request._request, "principal", None)
        if principal is None:
            return None
        bearer: Named | None = getattr(request._request, "bearer", None)
        if bearer is None:
            self._require_csrf(request)
        return principal, bearer

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"

    def _require_csrf(self, request: Request) -> None:
        try:
            self.enforce_csrf(request)
        except PermissionDenied as error:
            raise CsrfFailed(str(error.detail)) from None
