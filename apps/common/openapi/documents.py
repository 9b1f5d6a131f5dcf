"""Schemas in the OpenAPI document of representations, from the types of their msgspec Structs."""

from inspect import cleandoc
from typing import Any, Final

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_choice_field
from msgspec import inspect
from rest_framework import serializers

from apps.common.openapi.members import CHOICES

Schema = dict[str, Any]

_PLAIN: Final[dict[type, Schema]] = {
    object: {},
    inspect.AnyType: {},
    inspect.BoolType: {"type": "boolean"},
    inspect.DateTimeType: {"type": "string", "format": "date-time"},
    inspect.FloatType: {"type": "number", "format": "double"},
    inspect.IntType: {"type": "integer"},
    inspect.StrType: {"type": "string"},
    inspect.UUIDType: {"type": "string", "format": "uuid"},
}


class DocumentSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Accepts a Struct wherever `extend_schema` accepts a serializer; its name is that of the class."""

    target_class = msgspec.Struct
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        """Return the name of the schema: that of the class without `Document`."""
        name: str = self.target.__name__
        return name.removesuffix("Document")

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> Schema:
        """Return the schema; a response has all members."""
        struct = inspect.type_info(self.target)
        assert isinstance(struct, inspect.StructType)
        members = {field.encode_name: _schema(field.type, auto_schema) for field in struct.fields}
        described = {"description": cleandoc(self.target.__doc__)} if self.target.__doc__ else {}
        return {"type": "object", **described, "properties": members, "required": sorted(members)}


def _schema(kind: inspect.Type, auto_schema: AutoSchema) -> Schema:
    match kind:
        case inspect.Metadata(type=annotated, extra_json_schema=more, extra=extra):
            choices = (extra or {}).get(CHOICES)
            schema = _choice(choices) if choices else _schema(annotated, auto_schema)
            return _with(schema, more or {})
        case inspect.UnionType(types=types):
            (single,) = (one for one in types if not isinstance(one, inspect.NoneType))
            return _nullable(_schema(single, auto_schema))
        case inspect.StructType(cls=struct):
            return dict(auto_schema.resolve_serializer(struct, "response").ref)  # type: ignore[arg-type]
        case inspect.ListType(item_type=item):
            return {"type": "array", "items": _schema(item, auto_schema)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _schema(value, auto_schema)}
    plain = kind.cls if isinstance(kind, inspect.CustomType) else type(kind)
    return dict(_PLAIN[plain])


def _choice(choices: list[Any]) -> Schema:
    """Return the schema of a choice, which drf-spectacular turns into an enum with a name."""
    return dict(build_choice_field(serializers.ChoiceField(choices)))


def _with(schema: Schema, more: Schema) -> Schema:
    if "$ref" in schema and more:
        return {"allOf": [schema], **more}
    if "description" in schema and "description" in more:  # the schema's is the list of choices
        more = more | {"description": f"{more['description']}\n\n{schema['description']}"}
    return schema | more


def _nullable(schema: Schema) -> Schema:
    if "type" not in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | values | {"type": [schema["type"], "null"]}
