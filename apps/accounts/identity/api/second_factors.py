"""/api/v1/me/mfa: the caller's own second factors; /api/v1/auth/login/second-factor: the second step."""

from http import HTTPStatus
from typing import Final

import msgspec
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity import selectors
from apps.accounts.identity.api.auth import INVALID, OpenView
from apps.accounts.identity.documents import (
    ConfirmationDocument,
    EnrolmentDocument,
    NewPasskeyDocument,
    PasskeyOptionsDocument,
    RecoveryCodesDocument,
    SecondFactorsDocument,
    TokenPairDocument,
    passkey_document,
)
from apps.accounts.identity.second_factors import services as second_factors
from apps.accounts.identity.second_factors.serializers import (
    ConfirmSerializer,
    FinishPasskeySerializer,
    FinishTotpSerializer,
    SecondFactorSerializer,
)
from apps.accounts.identity.sign_in import services as sign_in
from apps.common.http.api import principal_of
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.known_devices import known_device, remember_device
from apps.common.http.callers.user_agents import device_of
from apps.common.problems import CONTENT_TYPE, ProblemSerializer

TAGS: Final = ["me"]
HEADER: Final = "X-Confirmation"
CONFIRMATION: Final = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="The `confirmation` that `POST /me/confirmation` returned.",
)


def _problem(description: str) -> OpenApiResponse:
    return OpenApiResponse(ProblemSerializer, description=description)


REFUSED: Final = {
    (401, CONTENT_TYPE): _problem("`not_authenticated`"),
    (403, CONTENT_TYPE): _problem("`confirmation_required`, `not_by_single_sign_on`, `forbidden`"),
}
BAD: Final = {(400, CONTENT_TYPE): INVALID}
MISSING: Final = {(404, CONTENT_TYPE): _problem("`not_found`")}
TAKEN: Final = {(409, CONTENT_TYPE): _problem("`second_factor_exists`")}


class SecondStepView(OpenView):
    """POST /api/v1/auth/login/second-factor."""

    @extend_schema(
        operation_id="answerSecondFactor",
        summary="Sign in: the second step",
        request=SecondFactorSerializer,
        responses={
            200: TokenPairDocument,
            **BAD,
            (401, CONTENT_TYPE): _problem("`second_factor_refused`: try again, or start the sign-in again."),
            (429, CONTENT_TYPE): _problem("`too_many_guesses`: see `Retry-After`."),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """Exchange a challenge and a code, a recovery code or a passkey's signature for a pair of tokens.

        Send the device's cookie as in the first step; the response sets it again.
        """
        body = SecondFactorSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        pair, user = sign_in.login_further(
            challenge=body.validated_data["challenge"],
            code=body.validated_data.get("code"),
            passkey=body.validated_data.get("passkey"),
            address=address_of(request._request),
            device=device_of(request._request),
            known=known_device(request._request),
        )
        response = Response(msgspec.structs.asdict(pair))
        remember_device(request._request, response, user.email)
        return response


class ConfirmationView(APIView):
    """POST /api/v1/me/confirmation."""

    @extend_schema(
        operation_id="confirmPassword",
        summary="Confirm your password",
        request=ConfirmSerializer,
        responses={
            200: ConfirmationDocument,
            **BAD,
            (401, CONTENT_TYPE): _problem("`not_authenticated`"),
            (403, CONTENT_TYPE): _problem("`wrong_password`, `not_by_single_sign_on`, `forbidden`"),
            (429, CONTENT_TYPE): _problem("`too_many_guesses`: see `Retry-After`."),
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Return the value to send as `X-Confirmation` when changing the account's second factors."""
        body = ConfirmSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        confirmation = second_factors.confirm(
            principal=principal_of(request),
            password=body.validated_data["password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        seconds = int(second_factors.CONFIRMED_FOR.total_seconds())
        return _secret(ConfirmationDocument(confirmation, seconds))


class SecondFactorsView(APIView):
    """GET /api/v1/me/mfa."""

    @extend_schema(
        operation_id="listSecondFactors",
        summary="Read your second factors",
        responses={200: SecondFactorsDocument, **REFUSED},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """Return the authenticator app, the passkeys, and the number of recovery codes left."""
        return Response(msgspec.to_builtins(selectors.second_factors(principal_of(request))))


class TotpView(APIView):
    """/api/v1/me/mfa/totp: an authenticator app."""

    @extend_schema(
        operation_id="startTotp",
        summary="Start setting up an authenticator app",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: EnrolmentDocument, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Return a new secret, which takes effect once one of its codes is sent back."""
        return _secret(second_factors.start_totp(**_caller(request)))

    @extend_schema(
        operation_id="finishTotp",
        summary="Set up an authenticator app",
        request=FinishTotpSerializer,
        responses={200: RecoveryCodesDocument, **BAD, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def put(self, request: Request) -> Response:
        """Require the app at each sign-in from now on. The first second factor also returns recovery codes."""
        body = FinishTotpSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        codes = second_factors.finish_totp(principal=principal_of(request), now=timezone.now(), **body.validated_data)
        return _secret(RecoveryCodesDocument(codes))

    @extend_schema(
        operation_id="removeTotp",
        summary="Remove the authenticator app",
        parameters=[CONFIRMATION],
        responses={204: None, **REFUSED, **MISSING},
        tags=TAGS,
    )
    def delete(self, request: Request) -> Response:
        """Stop asking for the app at sign-in."""
        second_factors.remove_totp(**_caller(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class PasskeysView(APIView):
    """/api/v1/me/mfa/passkeys."""

    @extend_schema(
        operation_id="startPasskey",
        summary="Start adding a passkey",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: PasskeyOptionsDocument, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Return the options for `navigator.credentials.create` or the phone's own API."""
        enrolment, options = second_factors.start_passkey(**_caller(request))
        return _secret(PasskeyOptionsDocument(enrolment, options))

    @extend_schema(
        operation_id="finishPasskey",
        summary="Add a passkey",
        request=FinishPasskeySerializer,
        responses={201: NewPasskeyDocument, **BAD, **REFUSED},
        tags=TAGS,
    )
    def put(self, request: Request) -> Response:
        """Store the passkey that the browser or phone created. The first second factor also returns recovery codes."""
        body = FinishPasskeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        passkey, codes = second_factors.finish_passkey(
            principal=principal_of(request), now=timezone.now(), **body.validated_data
        )
        return _secret(NewPasskeyDocument(passkey_document(passkey), codes), HTTPStatus.CREATED)


class PasskeyView(APIView):
    """/api/v1/me/mfa/passkeys/{id}."""

    @extend_schema(
        operation_id="removePasskey",
        summary="Remove a passkey",
        parameters=[CONFIRMATION],
        responses={204: None, **REFUSED, **MISSING},
        tags=TAGS,
    )
    def delete(self, request: Request, passkey_id: int) -> Response:
        """Remove the passkey, which can no longer be used to sign in."""
        second_factors.remove_passkey(passkey_id=passkey_id, **_caller(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class RecoveryCodesView(APIView):
    """POST /api/v1/me/mfa/recovery-codes."""

    @extend_schema(
        operation_id="renewRecoveryCodes",
        summary="Create new recovery codes",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: RecoveryCodesDocument, **REFUSED, **MISSING},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Return new recovery codes, each valid for one sign-in. Earlier codes stop working."""
        return _secret(RecoveryCodesDocument(second_factors.renew_recovery_codes(**_caller(request))))


def _caller(request: Request) -> "second_factors.Caller":
    """Return the caller and the confirmation that they sent."""
    return {"principal": principal_of(request), "confirmation": request.headers.get(HEADER), "now": timezone.now()}


def _secret(answer: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response that must not be cached."""
    return Response(msgspec.to_builtins(answer), status=status, headers={"Cache-Control": "no-store"})
