"""Signing in and out for apps and scripts; browsers use the portal's session."""

from typing import TypeVar

import msgspec
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.serializers import LoginSerializer, RefreshTokenSerializer
from apps.accounts.identity.sign_in import services as sign_in
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.known_devices import known_device, remember_device
from apps.common.http.callers.user_agents import device_of
from apps.common.http.serializers import StrictSerializer, valid
from apps.common.problems import CONTENT_TYPE, ProblemSerializer

INVALID = OpenApiResponse(ProblemSerializer, description="`invalid`: `errors` names what is missing or unknown.")
Body = TypeVar("Body", bound=msgspec.Struct)


class Credentials(msgspec.Struct, frozen=True):
    """The body of a login."""

    email: str
    password: str


class Refresh(msgspec.Struct, frozen=True):
    """The body of a refresh and of a logout."""

    refresh: str


class OpenView(APIView):
    """A view for unauthenticated callers. Its responses must not be cached (RFC 6749, 5.1)."""

    authentication_classes = ()
    permission_classes = ()

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        """Mark the response as not to be stored."""
        response["Cache-Control"] = "no-store"
        return super().finalize_response(request, response, *args, **kwargs)


class LoginView(OpenView):
    """POST /api/v1/auth/login."""

    @extend_schema(
        operation_id="login",
        summary="Sign in",
        request=LoginSerializer,
        responses={
            200: TokenPairDocument,
            (400, CONTENT_TYPE): INVALID,
            (401, CONTENT_TYPE): OpenApiResponse(
                ProblemSerializer,
                description="`wrong_credentials`; `second_factor_required`: continue at /auth/login/second-factor.",
            ),
            (429, CONTENT_TYPE): OpenApiResponse(
                ProblemSerializer, description="`too_many_guesses`: see `Retry-After`."
            ),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Exchange an e-mail address and a password for a pair of tokens.

        The response sets a cookie that identifies the device: an app that sends it with its next sign-in is not
        slowed down by attempts of strangers on the same account.
        """
        credentials = _parse(LoginSerializer, Credentials, request)
        pair = sign_in.login(
            email=credentials.email,
            password=credentials.password,
            address=address_of(request._request),
            device=device_of(request._request),
            known=known_device(request._request),
        )
        response = Response(msgspec.structs.asdict(pair))
        remember_device(request._request, response, credentials.email)
        return response


class RefreshView(OpenView):
    """POST /api/v1/auth/refresh."""

    @extend_schema(
        operation_id="refreshTokens",
        summary="Get new tokens",
        request=RefreshTokenSerializer,
        responses={
            200: TokenPairDocument,
            (400, CONTENT_TYPE): INVALID,
            (401, CONTENT_TYPE): OpenApiResponse(
                ProblemSerializer, description="`refresh_refused`, `refresh_reused`: sign in again."
            ),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, which can be used once, for a new pair of tokens."""
        body = _parse(RefreshTokenSerializer, Refresh, request)
        pair = sign_in.refresh(token=body.refresh, address=address_of(request._request))
        return Response(msgspec.structs.asdict(pair))


class LogoutView(OpenView):
    """POST /api/v1/auth/logout."""

    @extend_schema(
        operation_id="logout",
        summary="Sign out",
        request=RefreshTokenSerializer,
        responses={
            204: OpenApiResponse(description="Signed out, or signed out before."),
            (400, CONTENT_TYPE): INVALID,
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """End the sign-in that a refresh token belongs to."""
        sign_in.logout(token=_parse(RefreshTokenSerializer, Refresh, request).refresh)
        return Response(status=204)


def _parse(serializer_class: type[StrictSerializer], body: type[Body], request: Request) -> Body:
    return msgspec.convert(valid(serializer_class, request), body)
