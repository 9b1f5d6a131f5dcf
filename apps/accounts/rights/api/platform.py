"""What operators of the platform do outside of schools: visits into one, and the table of permissions."""

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
from apps.accounts.rights.documents import visit_document
from apps.accounts.rights.serializers import RoleSerializer, RolesSerializer, VisitSerializer
from apps.common.http.api import principal_of
from apps.common.http.etags import IF_MATCH, if_match_of, tagged
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.serializers import valid
from apps.tenancy.api.organizations import LISTED, READ, WRITE, refusals

TAGS: Final = ["platform"]


class VisitsView(APIView):
    """Looks of platform operators into an organization."""

    @extend_schema(
        operation_id="listVisits",
        summary="List visits of platform operators",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(VisitSerializer), **LISTED},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """One page, newest first: for the organization's admins, and for who runs the platform."""
        page = selectors.visits_page(
            principal=principal_of(request), organization_id=organization_id, query=page_query(request)
        )
        return page_response(request, page, [msgspec.to_builtins(visit_document(one)) for one in page.items])

    @extend_schema(
        operation_id="beginVisit",
        summary="Look into an organization",
        tags=TAGS,
        request=VisitSerializer,
        responses={201: VisitSerializer, **WRITE},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """For who runs the platform. The school sees the reason and the end, and everything that is done meanwhile."""
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
        responses={200: VisitSerializer, **WRITE, **refusals(_409="`visit_over`")},
    )
    def post(self, request: Request, organization_id: UUID, visit_id: UUID) -> Response:
        """At once: by who runs the platform, or by an admin of the organization."""
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
        summary="Read what every role may",
        tags=TAGS,
        responses={200: RolesSerializer, **READ},
    )
    def get(self, request: Request) -> Response:
        """From most to least."""
        return Response({"roles": msgspec.to_builtins(permissions.table(principal=principal_of(request)))})


class RolePermissionsView(APIView):
    """What one role may."""

    @extend_schema(
        operation_id="getPermissions",
        summary="Read what a role may",
        tags=TAGS,
        responses={200: RoleSerializer, **READ},
    )
    def get(self, request: Request, role: str) -> Response:
        """As it is now."""
        return tagged(permissions.of_role(principal=principal_of(request), role=role))

    @extend_schema(
        operation_id="replacePermissions",
        summary="Replace what a role may",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=RoleSerializer,
        responses={200: RoleSerializer, **WRITE},
    )
    def put(self, request: Request, role: str) -> Response:
        """In every organization, from the next request on. Staff raise alarms, whatever is sent here."""
        document = permissions.change(
            actor=principal_of(request),
            role=role,
            permissions=valid(RoleSerializer, request)["permissions"],
            if_match=if_match_of(request),
        )
        return tagged(document)
