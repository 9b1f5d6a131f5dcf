"""/api/v1/me/mfa: the second factors of one's own account; /api/v1/auth/login/second-factor: the second step."""

from http import HTTPStatus
from typing import Final

import msgspec
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity import second_factors, selectors, sign_in
from apps.accounts.identity.api.auth import INVALID, OpenView
from apps.accounts.identity.documents import passkey_document
from apps.accounts.identity.second_factor_serializers import (
    ConfirmationSerializer,
    ConfirmSerializer,
    EnrolmentSerializer,
    FinishPasskeySerializer,
    FinishTotpSerializer,
    NewPasskeySerializer,
    PasskeyOptionsSerializer,
    RecoveryCodesSerializer,
    SecondFactorSerializer,
    SecondFactorsSerializer,
)
from apps.accounts.identity.serializers import TokenPairSerializer
from apps.common.http.addresses import address_of
from apps.common.http.api import principal_of
from apps.common.http.known_devices import known_device, remember_device
from apps.common.http.user_agents import device_of
from apps.common.problems import CONTENT_TYPE, ProblemSerializer

TAGS: Final = ["me"]
HEADER: Final = "X-Confirmation"
CONFIRMATION: Final = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="What `POST /me/confirmation` has answered to the account's password.",
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
            200: TokenPairSerializer,
            **BAD,
            (401, CONTENT_TYPE): _problem("`second_factor_refused`: try again, or sign in anew."),
            (429, CONTENT_TYPE): _problem("`too_many_guesses`: see `Retry-After`."),
        },
        auth=[],
        tags=["auth"],
    )
    def post(self, request: Request) -> Response:
        """A pair of tokens for a challenge and a code, a recovery code, or what a passkey has signed.

        Send the device's cookie, as at the first step; the answer sets it anew.
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
        summary="Show one's password again",
        request=ConfirmSerializer,
        responses={
            200: ConfirmationSerializer,
            **BAD,
            (401, CONTENT_TYPE): _problem("`not_authenticated`"),
            (403, CONTENT_TYPE): _problem("`wrong_password`, `not_by_single_sign_on`, `forbidden`"),
            (429, CONTENT_TYPE): _problem("`too_many_guesses`: see `Retry-After`."),
        },
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """What to send as `X-Confirmation` with changes of what protects the account."""
        body = ConfirmSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        confirmation = second_factors.confirm(
            principal=principal_of(request),
            password=body.validated_data["password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        seconds = int(second_factors.CONFIRMED_FOR.total_seconds())
        return _secret({"confirmation": confirmation, "expires_in": seconds})


class SecondFactorsView(APIView):
    """GET /api/v1/me/mfa."""

    @extend_schema(
        operation_id="listSecondFactors",
        summary="Read one's second factors",
        responses={200: SecondFactorsSerializer, **REFUSED},
        tags=TAGS,
    )
    def get(self, request: Request) -> Response:
        """The authenticator app, the passkeys, and how many recovery codes are left."""
        return Response(msgspec.to_builtins(selectors.second_factors(principal_of(request))))


class TotpView(APIView):
    """/api/v1/me/mfa/totp: an authenticator app."""

    @extend_schema(
        operation_id="startTotp",
        summary="Begin to set up an authenticator app",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: EnrolmentSerializer, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """A new secret, which counts once a code of it was sent back."""
        return _secret(second_factors.start_totp(**_caller(request)))

    @extend_schema(
        operation_id="finishTotp",
        summary="Set up an authenticator app",
        request=FinishTotpSerializer,
        responses={200: RecoveryCodesSerializer, **BAD, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def put(self, request: Request) -> Response:
        """From here on it is asked for at each sign-in. The answer holds recovery codes if these are the first."""
        body = FinishTotpSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        codes = second_factors.finish_totp(principal=principal_of(request), now=timezone.now(), **body.validated_data)
        return _secret({"recovery_codes": codes})

    @extend_schema(
        operation_id="removeTotp",
        summary="Remove the authenticator app",
        parameters=[CONFIRMATION],
        responses={204: None, **REFUSED, **MISSING},
        tags=TAGS,
    )
    def delete(self, request: Request) -> Response:
        """It is asked for no more."""
        second_factors.remove_totp(**_caller(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class PasskeysView(APIView):
    """/api/v1/me/mfa/passkeys."""

    @extend_schema(
        operation_id="startPasskey",
        summary="Begin to add a passkey",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: PasskeyOptionsSerializer, **REFUSED, **TAKEN},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Options for `navigator.credentials.create` or a phone's own call."""
        enrolment, options = second_factors.start_passkey(**_caller(request))
        return _secret({"enrolment": enrolment, "options": options})

    @extend_schema(
        operation_id="finishPasskey",
        summary="Add a passkey",
        request=FinishPasskeySerializer,
        responses={201: NewPasskeySerializer, **BAD, **REFUSED},
        tags=TAGS,
    )
    def put(self, request: Request) -> Response:
        """Keep what browser or phone has made. The answer holds recovery codes if these are the first."""
        body = FinishPasskeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        passkey, codes = second_factors.finish_passkey(
            principal=principal_of(request), now=timezone.now(), **body.validated_data
        )
        answer = {"passkey": msgspec.to_builtins(passkey_document(passkey)), "recovery_codes": codes}
        return _secret(answer, HTTPStatus.CREATED)


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
        """It opens nothing any more."""
        second_factors.remove_passkey(passkey_id=passkey_id, **_caller(request))
        return Response(status=HTTPStatus.NO_CONTENT)


class RecoveryCodesView(APIView):
    """POST /api/v1/me/mfa/recovery-codes."""

    @extend_schema(
        operation_id="renewRecoveryCodes",
        summary="Make new recovery codes",
        parameters=[CONFIRMATION],
        request=None,
        responses={200: RecoveryCodesSerializer, **REFUSED, **MISSING},
        tags=TAGS,
    )
    def post(self, request: Request) -> Response:
        """Each is good for one sign-in; those before count no more."""
        return _secret({"recovery_codes": second_factors.renew_recovery_codes(**_caller(request))})


def _caller(request: Request) -> "second_factors.Caller":
    """Who asks for a change, and with which confirmation."""
    return {"principal": principal_of(request), "confirmation": request.headers.get(HEADER), "now": timezone.now()}


def _secret(answer: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """An answer that no cache keeps."""
    return Response(msgspec.to_builtins(answer), status=status, headers={"Cache-Control": "no-store"})
