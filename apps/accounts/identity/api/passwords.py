"""Forgotten passwords: /api/v1/auth/password/."""

from http import HTTPStatus

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.identity.api.auth import OpenView
from apps.accounts.identity.api.responses import LINK, QUEUE, TAGS
from apps.accounts.identity.serializers import ForgotPasswordSerializer, ResetPasswordSerializer
from apps.accounts.identity.sign_in import passwords
from apps.accounts.mail.budgets import source_of_request
from apps.common.http.callers.known_devices import remember_device
from apps.common.http.serializers import valid
from apps.tenancy.api.organizations import refusals


class ForgotPasswordView(OpenView):
    """POST /auth/password/forgot."""

    @extend_schema(
        operation_id="forgotPassword",
        summary="Request a link to set a new password",
        tags=TAGS,
        auth=[],
        request=ForgotPasswordSerializer,
        responses={202: None, **QUEUE},
    )
    def post(self, request: Request) -> Response:
        """Send a link to the owner of the account. The response is the same whether or not there is an account."""
        email = valid(ForgotPasswordSerializer, request)["email"]
        passwords.ask_reset(email=email, source=source_of_request(request._request))
        return Response(status=HTTPStatus.ACCEPTED)


class ResetPasswordView(OpenView):
    """POST /auth/password/reset."""

    @extend_schema(
        operation_id="resetPassword",
        summary="Set a new password with a link",
        tags=TAGS,
        auth=[],
        request=ResetPasswordSerializer,
        responses={204: None, **refusals(_400=LINK)},
    )
    def post(self, request: Request) -> Response:
        """Set the password and end every sign-in of the account. The link stays valid if the password is too weak.

        The response sets the cookie of a known device, so that the owner, who can read the account's mail, is not
        slowed down by guesses of others.
        """
        body = valid(ResetPasswordSerializer, request)
        email = passwords.reset(token=body["token"], password=body["password"], now=timezone.now())
        response = Response(status=HTTPStatus.NO_CONTENT)
        remember_device(request._request, response, email)
        return response
