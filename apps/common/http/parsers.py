"""Strict JSON parsing, without values that PostgreSQL or other programs cannot handle."""

from collections.abc import Mapping
from typing import IO, Any, Final

import msgspec
from rest_framework.parsers import BaseParser

from apps.common.problems import Invalid, Malformed, Problem

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 20_000
"""Members of objects and items of lists in one body, at all depths."""
NUL = "\x00"
NO_NUL = "It holds a NUL character, which no text may."


class JsonParser(BaseParser):
    """Parses RFC 8259 as UTF-8. Refuses NaN, half a surrogate pair, NUL, which no column can store, and more values or
    levels than any body of this API has.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body. Raises Malformed, Invalid."""
        body: bytes = stream.read()
        try:
            value = msgspec.json.decode(body)
            _limit(value)
            holds_nul = rb"\u0000" in body and _holds_nul(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"The body is not well-formed JSON: {error}") from None
        if holds_nul:
            raise _refusal(value)
        return value


def _limit(value: object) -> None:
    """Raise Malformed for more values or levels than allowed."""
    level, count = [value], 0
    for _ in range(MAX_DEPTH + 1):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        count += sum(map(len, parts))
        if count > MAX_VALUES:
            raise Malformed(f"The body has more than {MAX_VALUES} values.")
        level = [item for part in parts for item in part]
        if not level:
            return
    raise Malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _refusal(value: object) -> Problem:
    """Return a problem that names the fields with a NUL, if there are fields."""
    if not isinstance(value, dict):
        return Malformed("The body holds a NUL character, which no text may.")
    return Invalid(errors={name: [NO_NUL] for name, part in value.items() if _holds_nul([name, part])})


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return NUL in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
