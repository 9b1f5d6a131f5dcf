"""Schemas in the OpenAPI document of bodies that refuse unknown fields."""

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema


class StrictBody(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """`additionalProperties: false` for request bodies; responses may get more fields."""

    target_class = "apps.common.http.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, object]:
        """Return the schema of a serializer, or a reference to it."""
        schema: dict[str, object] = auto_schema._map_serializer(  # type: ignore[no-untyped-call]
            self.target, direction, bypass_extensions=True
        )
        return schema | {"additionalProperties": False} if direction == "request" else schema
