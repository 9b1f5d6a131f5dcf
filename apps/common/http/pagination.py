"""Keyset pagination: rows added or removed before a page do not shift it, and each page has the same cost.

A cursor is opaque, signed, and valid only for the list and the filters that issued it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Final, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from django.core.signing import BadSignature, Signer
from django.db import models
from django.db.models import Q
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.openapi.examples import openapi_example, response_examples
from apps.common.openapi.members import Url
from apps.common.problems import Invalid

DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 100

PAGE_PARAMETERS: Final = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="Maximum number of rows of a page.",
    ),
    OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of a page of the same list."),
]
"""For `@extend_schema` of a list."""

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)
Value = str | int | datetime | UUID
"""The values by which a list can be ordered."""


class BadCursor(Invalid):
    """The cursor is from another list, for other filters, or invalid."""

    code = "bad_cursor"
    default_detail = "This cursor is not from this list: start again without it."


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A position in a list: the ordering values of the adjacent row. `backwards` reads from it to the list's start."""

    values: list[str | int]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class PageQuery:
    """The requested page; without a position, the first."""

    limit: int = DEFAULT_LIMIT
    position: Position | None = None

    @property
    def backwards(self) -> bool:
        """Whether rows are read from the position to the start, nearest first."""
        return self.position is not None and self.position.backwards


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page in the list's order, and the positions of its neighbours."""

    items: Sequence[T]
    next: Position | None
    previous: Position | None


def page_query(request: Request) -> PageQuery:
    """Parse `?limit=&cursor=`. Raises Invalid, BadCursor."""
    cursor = request.query_params.get("cursor")
    return PageQuery(_limit(request.query_params.get("limit")), None if cursor is None else _decode(request, cursor))


def cut(rows: Sequence[T], query: PageQuery, key: Callable[[T], Iterable[Value]]) -> Page[T]:
    """Return the page of rows that were read in the query's direction, one more than its limit.

    `key` returns the ordering values of a row, the last of which is unique.
    """
    more, items = len(rows) > query.limit, list(rows[: query.limit])
    if query.backwards:
        items.reverse()
    has_next, has_previous = (True, more) if query.backwards else (more, query.position is not None)
    return Page(
        items,
        next=_position(key(items[-1]), backwards=False) if items and has_next else None,
        previous=_position(key(items[0]), backwards=True) if items and has_previous else None,
    )


def keyset_page(queryset: models.QuerySet[M], *, by: str, query: PageQuery, descending: bool = False) -> Page[M]:
    """Return a page of a queryset ordered by the field or annotation `by`, which is never null, then by id."""
    if query.position is not None:
        value, id_ = query.position.values
        way = "lt" if descending != query.backwards else "gt"
        beyond = Q(**{f"{by}__{way}": value}) | Q(**{f"id__{way}": id_})
        queryset = queryset.filter(beyond, **{f"{by}__{way}e": value})  # an index supports the second condition
    sign = "-" if descending != query.backwards else ""
    rows = list(queryset.order_by(f"{sign}{by}", f"{sign}id")[: query.limit + 1])
    return cut(rows, query, key=lambda row: (cast(Value, getattr(row, by)), cast(UUID, row.pk)))


def page_response(request: Request, page: Page[T], results: Sequence[object]) -> Response:
    """Return the response of a list: `results` are the documents of the page's items."""
    return Response({"next": link(request, page.next), "previous": link(request, page.previous), "results": results})


def link(request: Request, position: Position | None) -> str | None:
    """Return the URL of the page at a position, with the filters of this one."""
    if position is None:
        return None
    query: QueryDict = request.query_params.copy()
    query["cursor"] = _signer(request).sign_object(msgspec.to_builtins(position))
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"


@cache
def page_of(item: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return the description of a page of such items for the OpenAPI document."""
    name = item.__name__.removesuffix("Document")
    results = GenericAlias(list, item)
    page = msgspec.defstruct(
        f"{name}Page", [("next", Url | None), ("previous", Url | None), ("results", results)], frozen=True
    )
    return openapi_example(response={"next": None, "previous": None, "results": response_examples(item)})(page)


def _limit(named: str | None) -> int:
    if named is None:
        return DEFAULT_LIMIT
    if not named.isascii() or not named.isdigit() or not 1 <= int(named) <= MAX_LIMIT:
        raise Invalid("limit is out of range.", errors={"limit": [f"A number from 1 to {MAX_LIMIT}."]})
    return int(named)


def _signer(request: Request) -> Signer:
    """Return the signer for this list with these filters: signatures of other lists are not valid."""
    filters = sorted((name, value) for name, value in request.query_params.items() if name not in {"cursor", "limit"})
    return Signer(salt=f"cursor {request.path} {filters}")


def _decode(request: Request, cursor: str) -> Position:
    try:
        return msgspec.convert(_signer(request).unsign_object(cursor), Position)
    except (BadSignature, ValueError):
        raise BadCursor(errors={"cursor": ["Not a cursor of this list."]}) from None


def _position(values: Iterable[Value], *, backwards: bool) -> Position:
    return Position([_plain(value) for value in values], backwards)


def _plain(value: Value) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
