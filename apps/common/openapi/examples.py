"""Examples of bodies in the OpenAPI document."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from drf_spectacular.drainage import get_override
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

S = TypeVar("S", bound=type[serializers.BaseSerializer[Any] | msgspec.Struct])
Example = Mapping[str, object]

RESPONSE: Final = "response"
REQUEST: Final = "request"
SUCCESS: Final = [HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED]


def openapi_example(*, response: Example | None = None, request: Example | None = None) -> Callable[[S], S]:
    """Give a document or a serializer examples of a response and a request body."""
    return extend_schema_serializer(examples=examples(response=response, request=request))


def examples(*, response: Example | None = None, request: Example | None = None) -> list[OpenApiExample]:
    """Return such examples for `extend_schema` of a route without serializers."""
    statuses = [str(int(status)) for status in SUCCESS]
    result = []
    if request is not None:
        result.append(OpenApiExample(REQUEST, dict(request), request_only=True))
    if response is not None:
        result.append(OpenApiExample(RESPONSE, dict(response), response_only=True, status_codes=statuses))
    return result


def response_examples(document: type[msgspec.Struct]) -> list[object]:
    """Return the example of a response: at most one."""
    return [example.value for example in get_override(document, "examples", []) if example.name == RESPONSE]
