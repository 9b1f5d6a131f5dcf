"""JSON in: strict, and nothing that PostgreSQL or a program behind us could choke on."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.parsers import BaseParser

from apps.common.problems import Malformed

NUL = "\x00"


class JsonParser(BaseParser):
    """RFC 8259 as UTF-8. Refused: NaN, half a surrogate pair, nesting without end, and NUL, which no column holds."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body. Raises Malformed."""
        body: bytes = stream.read()
        try:
            value = msgspec.json.decode(body)
            holds_nul = rb"\u0000" in body and _holds_nul(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The body is not well-formed JSON: {error}") from None
        if holds_nul:
            raise Malformed("The body holds a NUL character, which no text may.")
        return value


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return NUL in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
