"""Judge a message against its schema. For tests and tools: jsonschema is a development dependency."""

import json
from functools import cache
from typing import cast

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012, Schema

from contracts import ROOT

# Dates are checked for their day of month too, which no pattern can.
FORMATS = FormatChecker(formats=["date-time"])


def schema(message: str) -> dict[str, object]:
    """The schema of a message, or of `common`."""
    return cast(dict[str, object], json.loads((ROOT / message / "schema.json").read_bytes()))


@cache
def _registry() -> Registry[Schema]:
    names = [path.parent.name for path in ROOT.glob("*/schema.json")]
    resources = [DRAFT202012.create_resource(schema(name)) for name in names]
    return Registry[Schema]().with_resources((resource.id() or "", resource) for resource in resources)


@cache
def validator(message: str, part: str = "") -> Draft202012Validator:
    """Validator of a message; `part` names one of its `$defs`, as in `validator("press", "core")`."""
    target = f"{schema(message)['$id']}" + (f"#/$defs/{part}" if part else "")
    return Draft202012Validator({"$ref": target}, registry=_registry(), format_checker=FORMATS)


def problems(message: str, raw: bytes) -> list[str]:
    """What is wrong with a body as sent; empty when nothing is. `x-max-bytes` counts the bytes as sent."""
    value = json.loads(raw)
    found = [error.message for error in validator(message).iter_errors(value)]
    limit = schema(message).get("x-max-bytes")
    size = len(value) if isinstance(value, str) else len(raw)  # a bare word travels without its quotation marks
    if isinstance(limit, int) and size > limit:
        found.append(f"{size} bytes, at most {limit}")
    return found
