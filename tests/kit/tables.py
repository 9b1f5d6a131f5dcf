"""Tables as these tests send and read them."""

import csv
import io
from typing import TYPE_CHECKING, Any

from tests.kit.callers import Caller, document
from tests.kit.refusals import refused

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer


def sent(caller: Caller, path: str, table: str | bytes, **query: str) -> "Answer":
    """Send a table for import and return the response."""
    body = table.encode() if isinstance(table, str) else table
    named = "&".join(f"{name}={value}" for name, value in query.items())
    return caller.client.post(f"/api/v1/{path}?{named}", body, content_type="text/csv")


def counts(answer: "Answer") -> tuple[int, int, int]:
    """Created, updated, unchanged."""
    body = document(answer)
    return body["created"], body["updated"], body["unchanged"]


def faults(answer: "Answer") -> list[tuple[int, str | None]]:
    """The lines and columns that an import was refused for."""
    return [(one["line"], one["column"]) for one in refused(answer, 400, "csv_refused")["lines"]]


def exported(caller: Caller, path: str) -> str:
    """The whole exported file."""
    answer: Any = caller.get(path)
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    return b"".join(answer).decode()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))
