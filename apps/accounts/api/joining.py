"""Joining an organization, and what else is done by the link of an e-mail: /api/v1/auth/."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.account_serializers import (
    ForgotPasswordSerializer,
    JoinedSerializer,
    RegisterByInvitationSerializer,
    RegisterOpenlySerializer,
    ResetPasswordSerializer,
    TokenSerializer,
)
from apps.accounts.api.auth import OpenView
from apps.accounts.mail_budgets import source_of_request
from apps.accounts.own_documents import joined_document
from apps.accounts.services import account, invitations, passwords
from apps.accounts.services.invitations import NewAccount
from apps.common.http.api import principal_of
from apps.common.http.etags import tagged
from apps.common.http.known_devices import remember_device
from apps.common.http.serializers import StrictSerializer
from apps.tenancy.api.organizations import refusals

TAGS: Final = ["auth"]
LINK: Final = "`link_refused`: unknown, used, withdrawn or expired. `invalid`: `errors` names the fields."
TOO_MANY: Final = "`too_many_messages`: see `Retry-After`."
QUEUE: Final = refusals(_400="`invalid`: `errors` names the fields.", _429=TOO_MANY, _503="`unavailable`")


class RegisterView(OpenView):
    """POST /auth/register."""

    @extend_schema(
        operation_id="register",
        summary="Join an organization with a new account",
        tags=TAGS,
        auth=[],
        request=PolymorphicProxySerializer(
            "Register", [RegisterByInvitationSerializer, RegisterOpenlySerializer], resource_type_field_name=None
        ),
        responses={
            201: JoinedSerializer,
            202: None,
            **refusals(
                _400=LINK,
                _409="`account_exists`: sign in, then take up the invitation.",
                _429=TOO_MANY,
                _503="`unavailable`",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """With the secret of an invitation, the account is made: sign in with it.

        With `organization` and `email` instead, a link is sent there, if that organization is open to registration; the
        answer is the same in any case.
        """
        if isinstance(request.data, Mapping) and "token" not in request.data and "organization" in request.data:
            wish = valid(RegisterOpenlySerializer, request)
            invitations.ask_open_registration(
                slug=wish["organization"], email=wish["email"], source=source_of_request(request._request)
            )
            return Response(status=HTTPStatus.ACCEPTED)
        body = valid(RegisterByInvitationSerializer, request)
        token = body.pop("token")
        membership = invitations.register(token=token, account=NewAccount(**body), now=timezone.now())
        response = tagged(joined_document(membership), HTTPStatus.CREATED)
        remember_device(request._request, response, membership.user.email)
        return response


class AcceptInvitationView(APIView):
    """POST /auth/invitations/accept."""

    @extend_schema(
        operation_id="acceptInvitation",
        summary="Join an organization with the account that one has",
        tags=TAGS,
        request=TokenSerializer,
        responses={
            200: JoinedSerializer,
            **refusals(
                _400=LINK,
                _401="`not_authenticated`",
                _403="`forbidden`",
                _409="`invitation_for_another`, `already_member`",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """For an invitation to the address of the account."""
        token = valid(TokenSerializer, request)["token"]
        membership = invitations.take_up(principal=principal_of(request), token=token, now=timezone.now())
        return tagged(joined_document(membership))


class ForgotPasswordView(OpenView):
    """POST /auth/password/forgot."""

    @extend_schema(
        operation_id="forgotPassword",
        summary="Have a link sent that sets a new password",
        tags=TAGS,
        auth=[],
        request=ForgotPasswordSerializer,
        responses={202: None, **QUEUE},
    )
    def post(self, request: Request) -> Response:
        """The answer is the same whether or not there is such an account."""
        email = valid(ForgotPasswordSerializer, request)["email"]
        passwords.ask_reset(email=email, source=source_of_request(request._request))
        return Response(status=HTTPStatus.ACCEPTED)


class ResetPasswordView(OpenView):
    """POST /auth/password/reset."""

    @extend_schema(
        operation_id="resetPassword",
        summary="Set a new password by a link",
        tags=TAGS,
        auth=[],
        request=ResetPasswordSerializer,
        responses={204: None, **refusals(_400=LINK)},
    )
    def post(self, request: Request) -> Response:
        """Every sign-in of the account ends. A password that is too weak leaves the link good.

        The answer sets the cookie of a known device: whoever reads the account's mail is not slowed by who guesses.
        """
        body = valid(ResetPasswordSerializer, request)
        email = passwords.reset(token=body["token"], password=body["password"], now=timezone.now())
        response = Response(status=HTTPStatus.NO_CONTENT)
        remember_device(request._request, response, email)
        return response


class VerifyEmailView(OpenView):
    """POST /auth/email/verify."""

    @extend_schema(
        operation_id="verifyEmail",
        summary="Confirm an e-mail address by a link",
        tags=TAGS,
        auth=[],
        request=TokenSerializer,
        responses={204: None, **refusals(_400=LINK, _409="`email_taken`")},
    )
    def post(self, request: Request) -> Response:
        """It is the account's from now on; if it had another, that one is told."""
        account.verify_email(token=valid(TokenSerializer, request)["token"], now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


def valid(body: type[StrictSerializer], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The values of a body. Raises ValidationError."""
    serializer = body(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
