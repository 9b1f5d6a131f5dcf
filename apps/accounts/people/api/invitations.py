"""/api/v1/organizations/{id}/invitations."""

from http import HTTPStatus
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.identity.api.responses import TOO_MANY
from apps.accounts.people import invitations, selectors
from apps.accounts.people.api.people import TAGS
from apps.accounts.people.documents import InvitationDocument, invitation_document
from apps.accounts.people.serializers import InvitationSerializer, held
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals


class InvitationsView(APIView):
    """Open invitations of an organization."""

    @extend_schema(
        operation_id="listInvitations",
        summary="List open invitations",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(InvitationDocument), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return one page, newest first."""
        page = selectors.invitations_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(request, page, [msgspec.to_builtins(invitation_document(one)) for one in page.items])

    @extend_schema(
        operation_id="invite",
        summary="Invite a person to an organization",
        tags=TAGS,
        request=InvitationSerializer,
        responses={
            201: InvitationDocument,
            **WRITE,
            **refusals(_409="`already_invited`, `already_member`", _429=TOO_MANY),
        },
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Send an e-mail with a link. The response does not reveal whether the address has an account."""
        body = valid(InvitationSerializer, request)
        invitation = invitations.invite(
            actor=principal_of(request),
            organization_id=organization_id,
            email=body["email"],
            held=held(body),
            expires_at=body.get("expires_at"),
            now=timezone.now(),
        )
        return tagged(invitation_document(invitation), HTTPStatus.CREATED)


class InvitationView(APIView):
    """One open invitation."""

    @extend_schema(
        operation_id="getInvitation",
        summary="Read an invitation",
        tags=TAGS,
        responses={200: InvitationDocument, **READ},
    )
    def get(self, request: Request, organization_id: UUID, invitation_id: UUID) -> Response:
        """Return the invitation. Its link is only in its e-mail."""
        invitation = selectors.invitation(
            principal=principal_of(request), organization_id=organization_id, invitation_id=invitation_id
        )
        return tagged(invitation_document(invitation))

    @extend_schema(
        operation_id="revokeInvitation",
        summary="Withdraw an invitation",
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, **WRITE},
    )
    def delete(self, request: Request, organization_id: UUID, invitation_id: UUID) -> Response:
        """Withdraw the invitation; its link stops working."""
        invitations.revoke(
            actor=principal_of(request),
            organization_id=organization_id,
            invitation_id=invitation_id,
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class ResendInvitationView(APIView):
    """POST /organizations/{id}/invitations/{id}/resend."""

    @extend_schema(
        operation_id="resendInvitation",
        summary="Send an invitation again",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=None,
        responses={200: InvitationDocument, **WRITE, **refusals(_429=TOO_MANY)},
    )
    def post(self, request: Request, organization_id: UUID, invitation_id: UUID) -> Response:
        """Send a new link with a new expiry; the old link stops working."""
        invitation = invitations.resend(
            actor=principal_of(request),
            organization_id=organization_id,
            invitation_id=invitation_id,
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return tagged(invitation_document(invitation))
