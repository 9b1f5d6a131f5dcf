"""JSON in: strict, and nothing that PostgreSQL or a program behind us could choke on."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.parsers import BaseParser

from apps.common.problems import Invalid, Malformed, Problem

NUL = "\x00"
NO_NUL = "It holds a NUL character, which no text may."


class JsonParser(BaseParser):
    """RFC 8259 as UTF-8. Refused: NaN, half a surrogate pair, nesting without end, and NUL, which no column holds."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body. Raises Malformed, Invalid."""
        body: bytes = stream.read()
        try:
            value = msgspec.json.decode(body)
            holds_nul = rb"\u0000" in body and _holds_nul(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The body is not well-formed JSON: {error}") from None
        if holds_nul:
            raise _refusal(value)
        return value


def _refusal(value: object) -> Problem:
    """Names the fields that hold a NUL, where there are fields."""
    if not isinstance(value, dict):
        return Malformed("The body holds a NUL character, which no text may.")
    return Invalid(errors={name: [NO_NUL] for name, part in value.items() if _holds_nul([name, part])})


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return NUL in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
