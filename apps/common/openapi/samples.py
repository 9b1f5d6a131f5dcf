"""Sample values for schemas of the OpenAPI document, made of familiar words."""

from collections.abc import Mapping
from typing import Any, Final

Json = Any
Schema = Mapping[str, Any]

BY_NAME: Final[Mapping[str, Json]] = {
    "address": "400 Oak Street, Springfield",
    "code": "123456",
    "country": "US",
    "device_id": "ss-7c9ebd12f0a4",
    "domain": "school.example",
    "first_name": "Maria",
    "last_name": "Sanchez",
    "locale": "en-US",
    "name": "Lincoln School",
    "next": None,
    "password": "correct horse battery staple",
    "phone": "+12025550123",
    "previous": None,
    "reason": "The contract ended on 31 July.",
    "room_number": "101",
    "slug": "lincoln",
    "timezone": "America/Chicago",
    "title": "Biology teacher",
}
"""Values of members by name."""
BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2026-09-01",
    "date-time": "2026-09-01T08:15:03.120Z",
    "email": "maria.sanchez@school.example",
    "ipv4": "203.0.113.7",
    "uri": "https://school.example.org/",
    "uuid": "0198f2c4-6a10-7500-9c41-5d2e8f7a0500",
}
BY_TYPE: Final[Mapping[str, Json]] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def sample(schema: Schema, components: Mapping[str, Schema], name: str = "") -> Json:
    """Return a value that the schema allows; `name` is the member's name."""
    if "$ref" in schema:
        return sample(components[schema["$ref"].rpartition("/")[2]], components, name)
    for given in ("example", "const", "default"):
        if given in schema:
            return schema[given]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return sample(schema[choice][0], components, name)
    return _of_type(schema, components, name)


def _of_type(schema: Schema, components: Mapping[str, Schema], name: str) -> Json:
    named = schema.get("type", "object")
    kind = named[0] if isinstance(named, list) else named
    allows_null = isinstance(named, list) and "null" in named
    if kind == "object":
        members: Mapping[str, Schema] = schema.get("properties", {})
        return {member: sample(part, components, member) for member, part in members.items()}
    if kind == "array":
        return [sample(schema.get("items", {}), components, name)]
    if name in BY_NAME and kind == "string" and (allows_null or BY_NAME[name] is not None):
        return BY_NAME[name]
    if kind in {"integer", "number"}:
        return schema.get("minimum", BY_TYPE[kind])
    if kind == "string" and "format" not in schema:
        return BY_TYPE[kind].ljust(schema.get("minLength", 0), "x")
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE.get(kind))
