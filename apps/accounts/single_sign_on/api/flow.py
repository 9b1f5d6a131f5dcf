"""/api/v1/auth/oidc: signing in with an organization's own identity provider.

A browser starts at `…/{provider}/start` and returns to `…/{provider}/callback`, which starts a session or sends a code
to an app's registered address. Both endpoints respond to the browser with redirects.
"""

from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.identity.api.auth import INVALID, OpenView
from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.principals.principals import open_session
from apps.accounts.single_sign_on import flow, selectors
from apps.accounts.single_sign_on.documents import SignInPlacesDocument
from apps.accounts.single_sign_on.flow import Destination, IdentityNotLinked, SingleSignOnFailed
from apps.accounts.single_sign_on.serializers import AppCodeSerializer
from apps.common.http.browsers.redirects import own_page
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.user_agents import device_of
from apps.common.problems import CONTENT_TYPE, Invalid, ProblemSerializer

TAGS: Final = ["auth"]
LONGEST: Final = 2048
CHALLENGE_LENGTH: Final = 43
"""Length of a SHA-256 digest in base64url."""
FAILED: Final = {
    (401, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description="`single_sign_on_failed`: start again.")
}


def _text(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, description=description)


class SignInPlacesView(OpenView):
    """GET /api/v1/auth/oidc."""

    @extend_schema(
        operation_id="findIdentityProviders",
        summary="Find where a school signs in",
        parameters=[_text("domain", "Domain of an e-mail address: `school.example`.")],
        responses={200: SignInPlacesDocument, (400, CONTENT_TYPE): INVALID},
        auth=[],
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """Return the identity providers of the organizations that own this mail domain."""
        domain = request.query_params.get("domain", "")
        if not domain or len(domain) > LONGEST:
            raise Invalid(errors={"domain": ["Name the domain of an e-mail address."]})
        return Response(msgspec.to_builtins(SignInPlacesDocument(selectors.sign_in_places(domain))))


class StartView(OpenView):
    """GET /api/v1/auth/oidc/{provider}/start."""

    @extend_schema(
        operation_id="startSingleSignOn",
        summary="Start sign-in at a school",
        parameters=[
            _text("next", "Page of the portal to continue to."),
            _text("redirect_uri", "For an app, instead of `next`: its registered address; it gets `code` and `state`."),
            _text("code_challenge", "With `redirect_uri`: S256, RFC 7636."),
            _text("state", "With `redirect_uri`: returned unchanged."),
        ],
        responses={
            302: OpenApiResponse(description="To the provider's page."),
            (400, CONTENT_TYPE): INVALID,
            (404, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description="`not_found`"),
            **FAILED,
        },
        auth=[],
        tags=TAGS,
    )
    def get(self, request: Request, provider_id: UUID) -> HttpResponse:
        """Send the browser to the provider, with a cookie that binds the sign-in to it."""
        address, kept = flow.start(provider_id=provider_id, destination=_destination(request), now=timezone.now())
        response = HttpResponseRedirect(address)
        response.set_cookie(
            settings.SINGLE_SIGN_ON_COOKIE_NAME,
            kept,
            max_age=flow.START_LIFETIME,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response


class CallbackView(OpenView):
    """GET /api/v1/auth/oidc/{provider}/callback."""

    @extend_schema(
        operation_id="finishSingleSignOn",
        summary="Return from sign-in at a school",
        parameters=[_text("state", "As sent."), _text("code", "From the provider."), _text("error", "Or an error.")],
        responses={302: OpenApiResponse(description="To the portal, or to the app with `code` or `error`."), **FAILED},
        auth=[],
        tags=TAGS,
    )
    def get(self, request: Request, provider_id: UUID) -> HttpResponse:
        """Exchange the provider's code, and redirect to the destination of the sign-in."""
        now = timezone.now()
        pending = flow.pending_of(
            request.COOKIES.get(settings.SINGLE_SIGN_ON_COOKIE_NAME),
            provider_id=provider_id,
            state=request.query_params.get("state", ""),
            now=now,
        )
        destination = pending.destination
        try:
            arrived = flow.finish(pending=pending, code=request.query_params.get("code"), now=now)
        except (SingleSignOnFailed, IdentityNotLinked) as problem:
            return _back(destination, problem=problem.code)
        if destination.redirect_uri is not None:
            return _back(destination, code=flow.app_code(arrived=arrived, destination=destination, now=now))
        open_session(request._request, arrived.user, only=arrived.organization, identity=arrived.identity)
        return _back(destination)


class AppCodeView(OpenView):
    """POST /api/v1/auth/oidc/token."""

    @extend_schema(
        operation_id="takeUpSingleSignOn",
        summary="Get tokens after sign-in at a school",
        request=AppCodeSerializer,
        responses={200: TokenPairDocument, (400, CONTENT_TYPE): INVALID, **FAILED},
        auth=[],
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Exchange the code that the app received, and the verifier of its challenge, for a pair of tokens."""
        body = AppCodeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        pair = flow.exchange(
            now=timezone.now(),
            address=address_of(request._request),
            device=device_of(request._request),
            **body.validated_data,
        )
        return Response(msgspec.structs.asdict(pair))


def _destination(request: Request) -> Destination:
    named = ("next", "redirect_uri", "code_challenge", "state")
    given = {name: request._request.GET[name] for name in named if name in request._request.GET}
    errors = {name: ["Too long."] for name, value in given.items() if len(value) > LONGEST}
    redirect_uri, challenge = given.get("redirect_uri"), given.get("code_challenge", "")
    if redirect_uri is not None and (len(challenge) != CHALLENGE_LENGTH or not challenge.isascii()):
        errors["code_challenge"] = ["An app sends the S256 challenge of a verifier."]
    if errors:
        raise Invalid(errors=errors)
    if redirect_uri is not None:
        return Destination(redirect_uri=redirect_uri, state=given.get("state", ""), code_challenge=challenge)
    return Destination(page=own_page(request._request, given.get("next", "")) or settings.LOGIN_REDIRECT_URL)


def _back(destination: Destination, *, code: str = "", problem: str = "") -> HttpResponse:
    """Redirect to the destination with the result, and delete the cookie that binds the sign-in to the browser."""
    if destination.redirect_uri is not None:
        result = {"error": problem} if problem else {"code": code}
        address = f"{destination.redirect_uri}?{urlencode({**result, 'state': destination.state})}"
    elif problem:
        address = f"{settings.LOGIN_URL}?{urlencode({'problem': problem})}"
    else:
        address = destination.page or settings.LOGIN_REDIRECT_URL
    response = HttpResponse(status=302, headers={"Location": address})
    response.delete_cookie(settings.SINGLE_SIGN_ON_COOKIE_NAME, samesite="Lax")
    return response
