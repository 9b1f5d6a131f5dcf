"""How a serializer shows an example of itself in the OpenAPI document."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

from drf_spectacular.drainage import get_override
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

S = TypeVar("S", bound=type[serializers.BaseSerializer[Any]])

TOLD: Final = "told"
SENT: Final = "sent"
WELL: Final = [HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED]


def shown(*, told: Mapping[str, object] | None = None, sent: Mapping[str, object] | None = None) -> Callable[[S], S]:
    """Give a serializer an example of what it tells, and of what is sent to it."""
    return extend_schema_serializer(examples=examples(told=told, sent=sent))


def examples(
    *, told: Mapping[str, object] | None = None, sent: Mapping[str, object] | None = None
) -> list[OpenApiExample]:
    """The same for `extend_schema` of a route without serializers."""
    statuses = [str(int(status)) for status in WELL]
    found = []
    if sent is not None:
        found.append(OpenApiExample(SENT, dict(sent), request_only=True))
    if told is not None:
        found.append(OpenApiExample(TOLD, dict(told), response_only=True, status_codes=statuses))
    return found


def told_by(serializer: type[serializers.BaseSerializer[Any]]) -> list[object]:
    """What a serializer shows as told: at most one."""
    return [example.value for example in get_override(serializer, "examples", []) if example.name == TOLD]
