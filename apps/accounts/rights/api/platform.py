"""Endpoints for platform operators: visits to organizations, and the permissions of roles."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rights import permissions, selectors, visits
from apps.accounts.rights.documents import RoleDocument, RolesDocument, VisitDocument, visit_document
from apps.accounts.rights.serializers import RoleSerializer, VisitSerializer
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.serializers import valid
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals

TAGS: Final = ["platform"]


class VisitsView(APIView):
    """Visits of platform operators to an organization."""

    @extend_schema(
        operation_id="listVisits",
        summary="List visits of platform operators",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(VisitDocument), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return one page, newest first, for the organization's admins and for platform operators."""
        page = selectors.visits_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(request, page, [msgspec.to_builtins(visit_document(one)) for one in page.items])

    @extend_schema(
        operation_id="beginVisit",
        summary="Start a visit to an organization",
        tags=TAGS,
        request=VisitSerializer,
        responses={201: VisitDocument, **WRITE},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Start a visit as a platform operator. The school can read its reason, its end and everything done in it."""
        body = valid(VisitSerializer, request)
        visit = visits.begin(
            actor=principal_of(request),
            organization_id=organization_id,
            reason=body["reason"],
            ends_at=body.get("ends_at"),
            now=timezone.now(),
        )
        return tagged(visit_document(visit), HTTPStatus.CREATED)


class EndVisitView(APIView):
    """POST /organizations/{id}/visits/{id}/end."""

    @extend_schema(
        operation_id="endVisit",
        summary="End a visit",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=None,
        responses={200: VisitDocument, **WRITE, **refusals(_409="`visit_over`")},
    )
    def post(self, request: Request, organization_id: UUID, visit_id: UUID) -> Response:
        """End the visit immediately, as a platform operator or as an admin of the organization."""
        visit = visits.end(
            actor=principal_of(request),
            organization_id=organization_id,
            visit_id=visit_id,
            if_match=if_match_of(request),
            now=timezone.now(),
        )
        return tagged(visit_document(visit))


class PermissionsView(APIView):
    """GET /permissions."""

    @extend_schema(
        operation_id="listPermissions",
        summary="Read the permissions of every role",
        tags=TAGS,
        responses={200: RolesDocument, **READ},
    )
    def get(self, request: Request) -> Response:
        """Return the roles with their permissions, from most to least."""
        return Response(msgspec.to_builtins(RolesDocument(permissions.table(principal=principal_of(request)))))


class RolePermissionsView(APIView):
    """The permissions of one role."""

    @extend_schema(
        operation_id="getPermissions",
        summary="Read the permissions of a role",
        tags=TAGS,
        responses={200: RoleDocument, **READ},
    )
    def get(self, request: Request, role: str) -> Response:
        """Return the role's current permissions."""
        return tagged(permissions.of_role(principal=principal_of(request), role=role))

    @extend_schema(
        operation_id="replacePermissions",
        summary="Replace the permissions of a role",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=RoleSerializer,
        responses={200: RoleDocument, **WRITE},
    )
    def put(self, request: Request, role: str) -> Response:
        """Replace them in every organization, from the next request on. Staff can always raise alarms."""
        document = permissions.change(
            actor=principal_of(request),
            role=role,
            permissions=valid(RoleSerializer, request)["permissions"],
            if_match=if_match_of(request),
        )
        return tagged(document)
