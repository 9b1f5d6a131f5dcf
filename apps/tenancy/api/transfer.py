"""Imports and exports of places."""

from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

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
from apps.tenancy.place_import import import_places
from apps.tenancy.place_table import exported_places


class ImportPlacesView(APIView):
    """POST /organizations/{id}/imports/places."""

    parser_classes = PARSERS

    @extend_schema(
        operation_id="importPlaces",
        summary="Import places from a table",
        tags=["places"],
        parameters=[DRY_RUN],
        request={MEDIA_TYPE: OpenApiTypes.STR},
        responses=IMPORT_ANSWERS,
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """All lines or none. A place that is not there is made, one that is there gets the values of its line."""
        dry_run = is_dry_run(request)
        result = import_places(
            actor=principal_of(request), organization_id=organization_id, body=body_of(request), dry_run=dry_run
        )
        return imported(result, dry_run=dry_run)


class ExportPlacesView(APIView):
    """GET /organizations/{id}/exports/places."""

    renderer_classes = renderers_for(MEDIA_TYPE)

    @extend_schema(
        operation_id="exportPlaces",
        summary="Export all places as a table",
        tags=["places"],
        parameters=[EXCEL],
        responses=EXPORT_ANSWERS,
    )
    def get(self, request: Request, organization_id: UUID) -> FileResponse:
        """In the form that an import takes."""
        lines = exported_places(principal=principal_of(request), organization_id=organization_id)
        return exported(request, "places", lines)
