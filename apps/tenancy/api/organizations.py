"""/api/v1/organizations: tenants, their status and their settings."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.db.ids import new_id
from apps.common.http.api import principal_of
from apps.common.http.pagination import PAGE_PARAMETERS, page_of, page_query, page_response
from apps.common.http.writes.etags import IF_MATCH, if_match_of, tagged
from apps.common.openapi.examples import examples
from apps.common.problems import CONTENT_TYPE, Invalid, Malformed, ProblemSerializer
from apps.tenancy import selectors, services
from apps.tenancy.api.serializers import OrganizationSerializer, SuspendSerializer
from apps.tenancy.documents import OrganizationDocument, TreeDocument, organization_document
from apps.tenancy.examples import SETTINGS_SENT
from apps.tenancy.models import Organization, OrganizationStatus
from apps.tenancy.organizations.organization_settings import OrganizationSettings

TAGS: Final = ["organizations"]
PRESENT: Final = (OrganizationStatus.ACTIVE, OrganizationStatus.SUSPENDED)
STATUS_FILTERS: Final = {"present": PRESENT, **{status.value: (status,) for status in OrganizationStatus}}

Responses = dict[tuple[int, str], OpenApiResponse]


def refusals(**described: str) -> Responses:
    """Describe problem responses by status, e.g. `refusals(_404="`not_found`")`."""
    return {
        (int(status.removeprefix("_")), CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description=description)
        for status, description in described.items()
    }


READ: Final = refusals(_401="`not_authenticated`", _403="`forbidden`", _404="`not_found`")
WRITE: Final = READ | refusals(_400="`invalid`: `errors` names the fields.", _412="`precondition_failed`")
LISTED: Final = READ | refusals(_400="`invalid`, `bad_cursor`")


def settings_schema(*, partial: bool) -> dict[str, object]:
    """Return the OpenAPI schema of the settings; `partial` for a change of some."""
    (_, components) = msgspec.json.schema_components([OrganizationSettings])
    schema: dict[str, object] = components["OrganizationSettings"]
    if partial:
        return schema | {"title": "OrganizationSettingsChange"}
    return schema | {"required": list(OrganizationSettings.__struct_fields__)}


class OrganizationsView(APIView):
    """The caller's organizations; for platform operators all of them."""

    @extend_schema(
        operation_id="listOrganizations",
        summary="List organizations",
        tags=TAGS,
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter(
                "status", OpenApiTypes.STR, enum=list(STATUS_FILTERS), description="Default: present, not deleted."
            ),
        ],
        responses={200: page_of(OrganizationDocument), **LISTED},
    )
    def get(self, request: Request) -> Response:
        """Return one page, sorted by name."""
        page = selectors.organization_page(
            principal=principal_of(request),
            statuses=_statuses(request.query_params.get("status", "present")),
            query=page_query(request),
        )
        return page_response(
            request, page, [msgspec.to_builtins(organization_document(organization)) for organization in page.items]
        )

    @extend_schema(
        operation_id="createOrganization",
        summary="Create an organization",
        tags=TAGS,
        request=OrganizationSerializer,
        responses={201: OrganizationDocument, **WRITE, **refusals(_409="`slug_taken`")},
    )
    def post(self, request: Request) -> Response:
        """Create a tenant. Only for platform operators."""
        body = OrganizationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        organization = services.create_organization(
            actor=principal_of(request), organization_id=new_id(), **body.validated_data
        )
        return _tagged(organization, HTTPStatus.CREATED)


class OrganizationView(APIView):
    """One organization."""

    @extend_schema(
        operation_id="getOrganization",
        summary="Read an organization",
        tags=TAGS,
        responses={200: OrganizationDocument, **READ},
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return the organization with its ETag."""
        return _tagged(selectors.organization(principal=principal_of(request), organization_id=organization_id))

    @extend_schema(
        operation_id="replaceOrganization",
        summary="Replace an organization",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=OrganizationSerializer,
        responses={200: OrganizationDocument, **WRITE, **refusals(_409="`slug_taken`")},
    )
    def put(self, request: Request, organization_id: UUID) -> Response:
        """Replace the organization. Fields that are left out get their defaults."""
        return self._update(request, organization_id, partial=False)

    @extend_schema(
        operation_id="updateOrganization",
        summary="Change an organization",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=OrganizationSerializer,
        responses={200: OrganizationDocument, **WRITE, **refusals(_409="`slug_taken`")},
    )
    def patch(self, request: Request, organization_id: UUID) -> Response:
        """Change the organization. Fields that are left out keep their values."""
        return self._update(request, organization_id, partial=True)

    @extend_schema(
        operation_id="deleteOrganization",
        summary="Delete an organization (it can be undeleted)",
        tags=TAGS,
        parameters=[IF_MATCH],
        responses={204: None, **WRITE, **refusals(_409="`place_in_use`, `organization_status`")},
    )
    def delete(self, request: Request, organization_id: UUID) -> Response:
        """Soft delete; refused while the organization has devices or open alerts."""
        services.delete_organization(
            actor=principal_of(request), organization_id=organization_id, if_match=if_match_of(request)
        )
        return Response(status=HTTPStatus.NO_CONTENT)

    def _update(self, request: Request, organization_id: UUID, *, partial: bool) -> Response:
        body = OrganizationSerializer(data=request.data, partial=partial)
        body.is_valid(raise_exception=True)
        organization = services.update_organization(
            actor=principal_of(request),
            organization_id=organization_id,
            values=body.validated_data,
            if_match=if_match_of(request),
        )
        return _tagged(organization)


class SuspendView(APIView):
    """POST /organizations/{id}/suspend."""

    @extend_schema(
        operation_id="suspendOrganization",
        summary="Suspend an organization",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=SuspendSerializer,
        responses={200: OrganizationDocument, **WRITE, **refusals(_409="`organization_status`")},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Limit its people to raising and answering alarms, and show them the reason. Its data is kept."""
        body = SuspendSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        organization = services.suspend_organization(
            actor=principal_of(request),
            organization_id=organization_id,
            reason=body.validated_data["reason"],
            if_match=if_match_of(request),
        )
        return _tagged(organization)


class ResumeView(APIView):
    """POST /organizations/{id}/resume."""

    @extend_schema(
        operation_id="resumeOrganization",
        summary="End a suspension",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=None,
        responses={200: OrganizationDocument, **WRITE, **refusals(_409="`organization_status`")},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Restore all rights of its people."""
        return _act(services.resume_organization, request, organization_id)


class UndeleteView(APIView):
    """POST /organizations/{id}/undelete."""

    @extend_schema(
        operation_id="undeleteOrganization",
        summary="Bring back a deleted organization",
        tags=TAGS,
        parameters=[IF_MATCH],
        request=None,
        responses={200: OrganizationDocument, **WRITE, **refusals(_409="`organization_status`")},
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """Restore the organization with its people, places and records."""
        return _act(services.undelete_organization, request, organization_id)


class SettingsView(APIView):
    """The settings of an organization."""

    @extend_schema(
        operation_id="getOrganizationSettings",
        summary="Read an organization's settings",
        tags=TAGS,
        responses={200: settings_schema(partial=False), **READ},
        examples=examples(response=OrganizationSettings().document()),
    )
    def get(self, request: Request, organization_id: UUID) -> Response:
        """Return all settings, including defaults."""
        settings = selectors.readable_settings(principal=principal_of(request), organization_id=organization_id)
        return tagged(settings.document())

    @extend_schema(
        operation_id="updateOrganizationSettings",
        summary="Change an organization's settings",
        tags=TAGS,
        parameters=[IF_MATCH],
        request={"application/json": settings_schema(partial=True)},
        responses={
            200: settings_schema(partial=False),
            **WRITE,
            **refusals(_409="`own_second_factor_first`: set one up before you ask other admins for one."),
        },
        examples=examples(response=OrganizationSettings().document() | SETTINGS_SENT, request=SETTINGS_SENT),
    )
    def patch(self, request: Request, organization_id: UUID) -> Response:
        """Change some settings; the others keep their values. Limits ensure that no setting can silence an alarm."""
        if not isinstance(request.data, dict):
            raise Malformed("The body is not a JSON object.")
        settings = services.change_settings(
            actor=principal_of(request),
            organization_id=organization_id,
            changes=request.data,
            if_match=if_match_of(request),
        )
        return tagged(settings.document())


class TreeView(APIView):
    """GET /organizations/{id}/tree."""

    @extend_schema(
        operation_id="getPlaceTree",
        summary="Read all places of an organization",
        tags=["places"],
        responses={200: TreeDocument, **READ},
    )
    def get(self, request: Request, organization_id: UUID) -> HttpResponse:
        """Return all sites, buildings, floors and rooms that are visible to the caller."""
        tree = selectors.place_tree(principal=principal_of(request), organization_id=organization_id)
        return HttpResponse(tree, content_type="application/json")


Act = Callable[..., Organization]


def _act(act: Act, request: Request, organization_id: UUID) -> Response:
    return _tagged(act(actor=principal_of(request), organization_id=organization_id, if_match=if_match_of(request)))


def _tagged(organization: Organization, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return tagged(organization_document(organization), status)


def _statuses(named: str) -> Sequence[OrganizationStatus]:
    if named not in STATUS_FILTERS:
        raise Invalid("status is not known.", errors={"status": [f"One of {', '.join(STATUS_FILTERS)}."]})
    return STATUS_FILTERS[named]
