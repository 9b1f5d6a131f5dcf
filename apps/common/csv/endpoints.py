"""What the endpoints of imports and exports share: text/csv in, text/csv out, and counts of what an import did."""

from collections.abc import Iterable, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

import msgspec
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.problems import CONTENT_TYPE, Invalid, ProblemSerializer

MEDIA_TYPE: Final = "text/csv"
DRY_RUN: Final = OpenApiParameter(
    "dry_run",
    OpenApiTypes.BOOL,
    description="`true`: check every line and tell what would be done; nothing is changed.",
)


class CsvParser(BaseParser):
    """The body as it came; `files.py` reads it."""

    media_type = MEDIA_TYPE

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """All of it."""
        return stream.read()


class ExcelCsvParser(CsvParser):
    """A browser on a machine with Excel names CSV files so."""

    media_type = "application/vnd.ms-excel"


class TabSeparatedParser(CsvParser):
    """A table with tabs between its cells."""

    media_type = "text/tab-separated-values"


PARSERS: Final = (CsvParser, ExcelCsvParser, TabSeparatedParser)
"""`parser_classes` of an import."""
EXCEL: Final = OpenApiParameter(
    "excel",
    OpenApiTypes.BOOL,
    description="`true`: begin with a byte order mark, by which Excel knows that the file is UTF-8.",
)
BYTE_ORDER_MARK: Final = "\ufeff"
IN_MEMORY: Final = 1 << 20
"""Bytes of a table that wait in memory to be sent; a longer one waits in a temporary file."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did, or with `dry_run` would do, with the things that its lines speak of."""

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
EXPORT_ANSWERS: Final = {(200, MEDIA_TYPE): OpenApiTypes.STR, **_refusals(_NOT_HERE)}
IMPORT_ANSWERS: Final = {
    200: ImportedSerializer,
    **_refusals(
        _NOT_HERE
        | {
            400: "`csv_refused`: `lines` says which, each with its column.",
            409: "Something of it was changed or taken meanwhile: nothing was imported.",
        }
    ),
}
"""For `@extend_schema`."""


def body_of(request: Request) -> bytes:
    """The table that was sent; empty where there is none."""
    return request.data if isinstance(request.data, bytes) else b""


def is_dry_run(request: Request) -> bool:
    """What `?dry_run=` says. Raises Invalid for anything but true and false."""
    return _switch(request, DRY_RUN.name)


def _switch(request: Request, name: str) -> bool:
    named = request.query_params.get(name, "false")
    if named not in {"true", "false"}:
        raise Invalid(f"{name} is true or false.", errors={name: ["true or false."]})
    return named == "true"


def imported(result: Imported, *, dry_run: bool) -> Response:
    """The answer of an import."""
    return Response({"dry_run": dry_run, **msgspec.structs.asdict(result)})


def exported(request: Request, name: str, lines: Iterable[str]) -> FileResponse:
    """Return a table as an attachment. It is written completely before the response starts.

    So an export that fails is an error, not a shorter file, and a slow client holds no transaction.

    Raises Invalid for a value of `?excel=` that is neither true nor false.
    """
    mark = BYTE_ORDER_MARK if _switch(request, EXCEL.name) else ""
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  # the response closes it
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
