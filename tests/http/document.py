"""The OpenAPI document, generated once for the tests that read it."""

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

Json = Any


def generate() -> Json:
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


@cache
def document() -> Json:
    return generate()
