"""Imports and exports of people."""

from uuid import UUID

from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people.people_import import import_people
from apps.accounts.people.table import exported_people
from apps.common.csv.endpoints import (
    DRY_RUN,
    EXCEL,
    EXPORT_ANSWERS,
    IMPORT_ANSWERS,
    MEDIA_TYPE,
    PARSERS,
    body_of,
    exported,
    imported,
    is_dry_run,
)
from apps.common.http.api import principal_of, renderers_for


class ImportPeopleView(APIView):
    """POST /organizations/{id}/imports/people."""

    parser_classes = PARSERS

    @extend_schema(
        operation_id="importPeople",
        summary="Import people from a table",
        tags=["people"],
        parameters=[DRY_RUN],
        request={MEDIA_TYPE: OpenApiTypes.STR},
        responses=IMPORT_ANSWERS,
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """All lines or none. Who is not known is invited, who is known gets the role of their lines."""
        dry_run = is_dry_run(request)
        result = import_people(
            actor=principal_of(request),
            organization_id=organization_id,
            body=body_of(request),
            now=timezone.now(),
            dry_run=dry_run,
        )
        return imported(result, dry_run=dry_run)


class ExportPeopleView(APIView):
    """GET /organizations/{id}/exports/people."""

    renderer_classes = renderers_for(MEDIA_TYPE)

    @extend_schema(
        operation_id="exportPeople",
        summary="Export all people as a table",
        tags=["people"],
        parameters=[EXCEL],
        responses=EXPORT_ANSWERS,
    )
    def get(self, request: Request, organization_id: UUID) -> FileResponse:
        """In the form that an import takes."""
        lines = exported_people(principal=principal_of(request), organization_id=organization_id, now=timezone.now())
        return exported(request, "people", lines)
