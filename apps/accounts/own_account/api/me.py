"""The caller's own account: /api/v1/me."""

from http import HTTPStatus
from typing import Final, cast

import msgspec
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.api.auth import OpenView
from apps.accounts.identity.api.responses import LINK
from apps.accounts.identity.serializers import TokenSerializer
from apps.accounts.identity.sign_in import passwords
from apps.accounts.openapi import DeleteBodySchema, documented_by
from apps.accounts.own_account import account, erasure, export
from apps.accounts.own_account.documents import (
    CodeSentDocument,
    OwnDocument,
    SentDocument,
    code_sent_document,
    sent_document,
)
from apps.accounts.own_account.serializers import (
    ChangeEmailSerializer,
    ChangePasswordSerializer,
    ChangePhoneSerializer,
    EraseSerializer,
    OwnSerializer,
    VerifyPhoneSerializer,
)
from apps.common.http.api import principal_of
from apps.common.http.callers.addresses import address_of
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.tenancy.api.organizations import refusals

TAGS: Final = ["me"]
READ: Final = refusals(_401="`not_authenticated`", _403="`forbidden`")
WRITE: Final = READ | refusals(_400="`invalid`: `errors` names the fields.")
PROVED: Final = {
    "_403": "`wrong_password`, `forbidden`",
    "_409": "`no_password`",
    "_429": "`too_many_guesses`, `too_many_messages`: see `Retry-After`.",
}


class MeView(APIView):
    """The caller's own account."""

    @extend_schema(operation_id="getMe", summary="Read your account", tags=TAGS, responses={200: OwnDocument, **READ})
    def get(self, request: Request) -> Response:
        """Return the account with its memberships and the current permissions of each."""
        return tagged(account.read(principal_of(request)))

    @extend_schema(
        operation_id="updateMe",
        summary="Change your account",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=OwnSerializer,
        responses={200: OwnDocument, **WRITE, **refusals(_412="`precondition_failed`")},
    )
    def patch(self, request: Request) -> Response:
        """Change name and language; fields that are left out stay as they are."""
        document = account.update(
            principal=principal_of(request),
            changes=valid(OwnSerializer, request, partial=True),
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return tagged(document)

    @extend_schema(
        operation_id="eraseMe",
        summary="Erase your account",
        tags=TAGS,
        request=EraseSerializer,
        responses={
            204: None,
            **WRITE,
            **refusals(**PROVED | {"_409": "`no_password`, `last_admin`, `legal_hold`: see `organizations`."}),
        },
    )
    @documented_by(DeleteBodySchema)
    def delete(self, request: Request) -> Response:
        """Erase personal data permanently. Records of the person's actions stay, under an id without a name."""
        erasure.erase(
            principal=principal_of(request),
            password=valid(EraseSerializer, request)["current_password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        logout(request._request)
        return Response(status=HTTPStatus.NO_CONTENT)


class OwnPasswordView(APIView):
    """POST /me/password."""

    @extend_schema(
        operation_id="changePassword",
        summary="Change your password",
        tags=TAGS,
        request=ChangePasswordSerializer,
        responses={204: None, **WRITE, **refusals(**PROVED)},
    )
    def post(self, request: Request) -> Response:
        """Change the password and end every other sign-in."""
        body = valid(ChangePasswordSerializer, request)
        user = passwords.change(
            principal=principal_of(request),
            current=body["current_password"],
            password=body["password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        if request.auth is None:
            request._request.user = user
            update_session_auth_hash(request._request, user)
        return Response(status=HTTPStatus.NO_CONTENT)


class OwnEmailView(APIView):
    """POST /me/email."""

    @extend_schema(
        operation_id="changeEmail",
        summary="Change or confirm your e-mail address",
        tags=TAGS,
        request=ChangeEmailSerializer,
        responses={202: SentDocument, **WRITE, **refusals(**PROVED)},
    )
    def post(self, request: Request) -> Response:
        """Send a link to the address, which becomes the account's once the link is opened."""
        body = valid(ChangeEmailSerializer, request)
        proof = account.ask_email(
            principal=principal_of(request),
            email=body["email"],
            password=body["current_password"],
            address=address_of(request._request),
            now=timezone.now(),
        )
        return Response(msgspec.to_builtins(sent_document(proof)), status=HTTPStatus.ACCEPTED)


class OwnPhoneView(APIView):
    """The caller's own telephone number."""

    @extend_schema(
        operation_id="changePhone",
        summary="Change your phone number",
        tags=TAGS,
        request=ChangePhoneSerializer,
        responses={
            202: CodeSentDocument,
            **WRITE,
            **refusals(_409="`sms_not_configured`", _429="`too_many_messages`: see `Retry-After`."),
        },
    )
    def post(self, request: Request) -> Response:
        """Send a six-digit code to the number, which becomes the account's once the code is sent back."""
        proof = account.ask_phone(
            principal=principal_of(request), phone=valid(ChangePhoneSerializer, request)["phone"], now=timezone.now()
        )
        return Response(msgspec.to_builtins(code_sent_document(proof)), status=HTTPStatus.ACCEPTED)

    @extend_schema(
        operation_id="removePhone", summary="Remove your phone number", tags=TAGS, responses={204: None, **READ}
    )
    def delete(self, request: Request) -> Response:
        """Remove the number; without one, nothing changes."""
        account.remove_phone(principal=principal_of(request), now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)


class VerifyPhoneView(APIView):
    """POST /me/phone/verify."""

    @extend_schema(
        operation_id="verifyPhone",
        summary="Confirm your phone number",
        tags=TAGS,
        request=VerifyPhoneSerializer,
        responses={
            204: None,
            **READ,
            **refusals(
                _400="`wrong_code` with `attempts_left`; `link_refused`: expired, or tried too often; `invalid`."
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Confirm the number with the code that was sent to it; five attempts."""
        account.verify_phone(
            principal=principal_of(request), **valid(VerifyPhoneSerializer, request), now=timezone.now()
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class ExportView(APIView):
    """GET /me/export."""

    @extend_schema(
        operation_id="exportMe",
        summary="Export all data about yourself",
        tags=TAGS,
        responses={200: OpenApiResponse(export.Export, description="A JSON file."), **READ},
    )
    def get(self, request: Request) -> Response:
        """Export the data from every organization with data about the caller, also where their rights have ended."""
        content = export.own_export(principal=principal_of(request), now=timezone.now())
        headers = {"Content-Disposition": 'attachment; filename="safesignal-export.json"', "Cache-Control": "no-store"}
        return cast(Response, HttpResponse(content, content_type="application/json", headers=headers))


class VerifyEmailView(OpenView):
    """POST /auth/email/verify."""

    @extend_schema(
        operation_id="verifyEmail",
        summary="Confirm an e-mail address with a link",
        tags=TAGS,
        auth=[],
        request=TokenSerializer,
        responses={204: None, **refusals(_400=LINK, _409="`email_taken`")},
    )
    def post(self, request: Request) -> Response:
        """Set the account's address; a previous address is notified."""
        account.verify_email(token=valid(TokenSerializer, request)["token"], now=timezone.now())
        return Response(status=HTTPStatus.NO_CONTENT)
