"""Pages of a list, by key: a page is not moved by what is added or removed before it, and costs the same anywhere.

A cursor is opaque, signed, and good for the list and the filters that gave it out, and for no other.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from django.core.signing import BadSignature, Signer
from django.db import models
from django.db.models import Q
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.openapi.examples import openapi_example, response_examples
from apps.common.problems import Invalid

DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 100

PAGE_PARAMETERS: Final = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="How many rows a page has at most.",
    ),
    OpenApiParameter("cursor", OpenApiTypes.STR, description="From `next` or `previous` of a page of this very list."),
]
"""For `@extend_schema` of a list."""

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)
Value = str | int | datetime | UUID
"""What a list can be ordered by."""


class BadCursor(Invalid):
    """The cursor was given out by another list, for other filters, or by nobody."""

    code = "bad_cursor"
    default_detail = "This cursor is not one of this list: begin again without it."


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list: the order's values of the row beside it. `backwards` reads from there to the list's start."""

    values: list[str | int]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is asked for; without a position, the first."""

    limit: int = DEFAULT_LIMIT
    position: Position | None = None

    @property
    def backwards(self) -> bool:
        """Whether rows are read from the position to the start, the nearest first."""
        return self.position is not None and self.position.backwards


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page in the list's order, and where to go on."""

    items: Sequence[T]
    next: Position | None
    previous: Position | None


def page_query(request: Request) -> PageQuery:
    """What `?limit=&cursor=` ask for. Raises Invalid, BadCursor."""
    cursor = request.query_params.get("cursor")
    return PageQuery(_limit(request.query_params.get("limit")), None if cursor is None else _decode(request, cursor))


def cut(rows: Sequence[T], query: PageQuery, key: Callable[[T], Iterable[Value]]) -> Page[T]:
    """The page of rows that were read in the direction of the query, one more than its limit.

    `key` gives the values of the list's order, the last of which is unique.
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
    """A page of a queryset ordered by the field or annotation `by`, never null, then by id."""
    if query.position is not None:
        value, id_ = query.position.values
        way = "lt" if descending != query.backwards else "gt"
        beyond = Q(**{f"{by}__{way}": value}) | Q(**{f"id__{way}": id_})
        queryset = queryset.filter(beyond, **{f"{by}__{way}e": value})  # the second is what an index answers
    sign = "-" if descending != query.backwards else ""
    rows = list(queryset.order_by(f"{sign}{by}", f"{sign}id")[: query.limit + 1])
    return cut(rows, query, key=lambda row: (cast(Value, getattr(row, by)), cast(UUID, row.pk)))


def page_response(request: Request, page: Page[T], results: Sequence[object]) -> Response:
    """The answer of a list: `results` are the documents of the page's items."""
    return Response({"next": link(request, page.next), "previous": link(request, page.previous), "results": results})


def link(request: Request, position: Position | None) -> str | None:
    """The address of the page at a position, with the filters of this one."""
    if position is None:
        return None
    query: QueryDict = request.query_params.copy()
    query["cursor"] = _signer(request).sign_object(msgspec.to_builtins(position))
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"


@cache
def page_of(item: type[serializers.BaseSerializer[T]]) -> serializers.Serializer[object]:
    """How the OpenAPI document shows a page of such items."""
    page = inline_serializer(
        f"{item.__name__.removesuffix('Serializer')}Page",
        {
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": item(many=True),
        },
    )
    openapi_example(response={"next": None, "previous": None, "results": response_examples(item)})(type(page))
    return page


def _limit(named: str | None) -> int:
    if named is None:
        return DEFAULT_LIMIT
    if not named.isascii() or not named.isdigit() or not 1 <= int(named) <= MAX_LIMIT:
        raise Invalid("limit is out of range.", errors={"limit": [f"A number from 1 to {MAX_LIMIT}."]})
    return int(named)


def _signer(request: Request) -> Signer:
    """Signs for this list with these filters: another list's signature is no good here."""
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
