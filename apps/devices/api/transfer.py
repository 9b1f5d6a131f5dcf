"""Imports and exports of devices."""

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
from apps.devices.device_import import import_devices
from apps.devices.device_table import exported_devices


class ImportDevicesView(APIView):
    """POST /organizations/{id}/imports/devices."""

    parser_classes = PARSERS

    @extend_schema(
        operation_id="importDevices",
        summary="Import devices from a table",
        tags=["devices"],
        parameters=[DRY_RUN],
        request={MEDIA_TYPE: OpenApiTypes.STR},
        responses=IMPORT_ANSWERS,
    )
    def post(self, request: Request, organization_id: UUID) -> Response:
        """All lines or none. A device that is not known is registered, one that is gets the values of its line."""
        dry_run = is_dry_run(request)
        result = import_devices(
            actor=principal_of(request), organization_id=organization_id, body=body_of(request), dry_run=dry_run
        )
        return imported(result, dry_run=dry_run)


class ExportDevicesView(APIView):
    """GET /organizations/{id}/exports/devices."""

    renderer_classes = renderers_for(MEDIA_TYPE)

    @extend_schema(
        operation_id="exportDevices",
        summary="Export all devices as a table",
        tags=["devices"],
        parameters=[EXCEL],
        responses=EXPORT_ANSWERS,
    )
    def get(self, request: Request, organization_id: UUID) -> FileResponse:
        """In the form that an import takes."""
        lines = exported_devices(principal=principal_of(request), organization_id=organization_id)
        return exported(request, "devices", lines)
