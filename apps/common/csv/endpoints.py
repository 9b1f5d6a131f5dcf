"""The two endpoints of a table: import (accepts text/csv, returns counts of changes) and export (returns text/csv)."""

from collections.abc import Iterable, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Protocol
from uuid import UUID

import msgspec
from django.http import FileResponse
from django.urls import URLPattern, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.common.access import Principal
from apps.common.concurrency import bounded_transfer
from apps.common.http.api import principal_of, renderers_for
from apps.common.problems import CONTENT_TYPE, Invalid, ProblemSerializer

MEDIA_TYPE: Final = "text/csv"
_DRY_RUN: Final = OpenApiParameter(
    "dry_run",
    OpenApiTypes.BOOL,
    description="`true`: check every line and report what would be done; nothing is changed.",
)


class CsvParser(BaseParser):
    """Passes the body on unchanged; `files.py` reads it."""

    media_type = MEDIA_TYPE

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the whole body."""
        return stream.read()


class ExcelCsvParser(CsvParser):
    """The media type that browsers use for CSV files on a machine with Excel."""

    media_type = "application/vnd.ms-excel"


class TabSeparatedParser(CsvParser):
    """A table with tab-separated cells."""

    media_type = "text/tab-separated-values"


_EXCEL: Final = OpenApiParameter(
    "excel",
    OpenApiTypes.BOOL,
    description="`true`: begin with a byte order mark, by which Excel recognizes UTF-8.",
)
_BYTE_ORDER_MARK: Final = "\ufeff"
_IN_MEMORY: Final = 1 << 20
"""Bytes of a table that are kept in memory before sending; a longer one is kept in a temporary file."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did, or with `dry_run` would do, to the objects that its lines describe."""

    created: int
    updated: int
    unchanged: int


class ImportedSerializer(serializers.Serializer[object]):
    """What an import did, or with `dry_run` would do."""

    dry_run = serializers.BooleanField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()


def _refusals(described: Mapping[int, str]) -> dict[Any, Any]:
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemSerializer, description=description)
        for status, description in described.items()
    }


_NOT_HERE: Final = {401: "`not_authenticated`", 403: "`forbidden`", 404: "`not_found`"}
_EXPORT_RESPONSES: Final = {(200, MEDIA_TYPE): OpenApiTypes.STR, **_refusals(_NOT_HERE)}
_IMPORT_RESPONSES: Final = {
    200: ImportedSerializer,
    **_refusals(
        _NOT_HERE
        | {
            400: "`csv_refused`: `lines` says which, each with its column.",
            409: "Some of the data was changed or is in use by now: nothing was imported.",
        }
    ),
}


class Importer(Protocol):
    """A service that imports a table. Raises CsvRefused, NotFound, Forbidden, Conflict."""

    def __call__(self, *, actor: Principal, organization_id: UUID, body: bytes, dry_run: bool) -> Imported:
        """Import all lines or none."""


class Exporter(Protocol):
    """A service that exports a table. Raises NotFound, Forbidden before its first line."""

    def __call__(self, *, principal: Principal, organization_id: UUID) -> Iterable[str]:
        """Return the text of the table, in the form that an import accepts."""


def table_paths(name: str, *, importer: Importer, exporter: Exporter, description: str) -> list[URLPattern]:
    """`organizations/{id}/imports/{name}` and `.../exports/{name}`; the description says what an import does."""

    class ImportView(APIView):
        parser_classes = (CsvParser, ExcelCsvParser, TabSeparatedParser)

        @extend_schema(
            operation_id=f"import{name.title()}",
            summary=f"Import {name} from a table",
            description=description,
            tags=[name],
            parameters=[_DRY_RUN],
            request={MEDIA_TYPE: OpenApiTypes.STR},
            responses=_IMPORT_RESPONSES,
        )
        def post(self, request: Request, organization_id: UUID) -> Response:
            """Import."""
            dry_run = _switch(request, _DRY_RUN.name)
            body = request.data if isinstance(request.data, bytes) else b""
            result = importer(actor=principal_of(request), organization_id=organization_id, body=body, dry_run=dry_run)
            return Response({"dry_run": dry_run, **msgspec.structs.asdict(result)})

    class ExportView(APIView):
        renderer_classes = renderers_for(MEDIA_TYPE)

        @extend_schema(
            operation_id=f"export{name.title()}",
            summary=f"Export all {name} as a table",
            description="In the form that an import takes.",
            tags=[name],
            parameters=[_EXCEL],
            responses=_EXPORT_RESPONSES,
        )
        def get(self, request: Request, organization_id: UUID) -> FileResponse:
            """Export."""
            return _exported(request, name, exporter(principal=principal_of(request), organization_id=organization_id))

    return [
        path(f"organizations/<uuid:organization_id>/imports/{name}", bounded_transfer(ImportView.as_view())),
        path(f"organizations/<uuid:organization_id>/exports/{name}", bounded_transfer(ExportView.as_view())),
    ]


def _switch(request: Request, name: str) -> bool:
    named = request.query_params.get(name, "false")
    if named not in {"true", "false"}:
        raise Invalid(f"{name} is true or false.", errors={name: ["true or false."]})
    return named == "true"


def _exported(request: Request, name: str, lines: Iterable[str]) -> FileResponse:
    """Return a table as an attachment. It is written completely before the response starts.

    So an export that fails is an error, not a shorter file, and a slow client holds no transaction.

    Raises Invalid for a value of `?excel=` that is neither true nor false.
    """
    mark = _BYTE_ORDER_MARK if _switch(request, _EXCEL.name) else ""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # the response closes it
    file.write(mark.encode())
    file.writelines(line.encode() for line in lines)
    file.seek(0)
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{name}.csv",
        content_type=f"{MEDIA_TYPE}; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )
