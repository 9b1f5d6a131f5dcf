"""Joining an organization: /api/v1/auth/register and /api/v1/auth/invitations/accept."""

from collections.abc import Mapping
from http import HTTPStatus

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.api.auth import OpenView
from apps.accounts.identity.api.responses import LINK, TAGS, TOO_MANY
from apps.accounts.identity.serializers import TokenSerializer
from apps.accounts.mail.budgets import source_of_request
from apps.accounts.people import invitations
from apps.accounts.people.documents import JoinedDocument, joined_document
from apps.accounts.people.invitations import NewAccount
from apps.accounts.people.serializers import RegisterByInvitationSerializer, RegisterOpenlySerializer
from apps.common.http.api import principal_of
from apps.common.http.callers.known_devices import remember_device
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import tagged
from apps.tenancy.api.organizations import refusals


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
            201: JoinedDocument,
            202: None,
            **refusals(
                _400=LINK,
                _409="`account_exists`: sign in, then accept the invitation.",
                _429=TOO_MANY,
                _503="`unavailable`",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Create an account with the secret of an invitation, then sign in with it.

        With `organization` and `email` instead, a link is sent to the address if the organization is open to
        registration; the response is the same in either case.
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
        summary="Join an organization with your account",
        tags=TAGS,
        request=TokenSerializer,
        responses={
            200: JoinedDocument,
            **refusals(
                _400=LINK,
                _401="`not_authenticated`",
                _403="`forbidden`",
                _409="`invitation_for_another`, `already_member`",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Accept an invitation to the address of the account."""
        token = valid(TokenSerializer, request)["token"]
        membership = invitations.take_up(principal=principal_of(request), token=token, now=timezone.now())
        return tagged(joined_document(membership))
