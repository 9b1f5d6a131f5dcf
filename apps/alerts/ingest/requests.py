"""Parse a gateway's request. An event that is not JSON does not affect the others."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from apps.alerts.ingest.messages import EventsRequest, Time, decode_request
from apps.common.problems import Invalid, TooLarge

MAX_EVENTS: Final = 500
_LENIENT: Final = json.JSONDecoder(strict=False)
_EVENTS: Final = re.compile(r'"events"\s*:\s*\[')
_EPOCH: Final = re.compile(r'"epoch"\s*:\s*"([0-9a-f-]{36})"')
_SENT_AT: Final = re.compile(r'"sent_at"\s*:\s*"([^"]{1,40})"')
_BETWEEN: Final = re.compile(r"[\s,]*")
_NEXT_EVENT: Final = re.compile(r',\s*(?=\{\s*"(?:event_id|kind)"\s*:)')
"""The start of the event after one that cannot be read: gateways write one of these fields first."""
_AFTER_AN_EVENT: Final = re.compile(r"\s*(?:\Z|,\s*(?:\{|\Z))")
"""The end of the list, or the next event. Anything else belongs to an event that only seemed to end."""
_END: Final = re.compile(r"\s*\]\s*\}\s*\Z")


class TooManyEvents(TooLarge):
    """The request contains more events than allowed."""

    code = "too_many_events"
    default_detail = f"Send at most {MAX_EVENTS} events in one request."


def parse(body: bytes) -> EventsRequest:
    """Parse the body of a request. Raises Invalid or TooManyEvents."""
    try:
        request = decode_request(body)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        partial = _split(body)
        if partial is None:
            raise _invalid(error) from None
        request = partial
    if len(request.events) > MAX_EVENTS:
        raise TooManyEvents()
    return request


def _invalid(error: Exception) -> Invalid:
    return Invalid(f"The body does not match contracts/edge_events: {error}")


def _split(body: bytes) -> EventsRequest | None:
    """Parse a request in which an event, or text around the events, is not JSON; return None if it has no events."""
    text = body.decode("utf-8", "replace")
    epoch, start = _EPOCH.search(text), _EVENTS.search(text)
    if epoch is None or start is None:
        return None
    said = _SENT_AT.search(text, 0, start.start())
    try:
        events = [msgspec.Raw(event.encode()) for event in _events(text, start.end())]
        return EventsRequest(UUID(epoch[1]), events, _time(said[1]) if said else None) if events else None
    except ValueError:
        return None


def _events(text: str, position: int) -> Iterator[str]:
    """Yield the text of each event: a JSON value, or everything before the next event."""
    end = _END.search(text, position)
    stop = end.start() if end else len(text)
    while (position := _BETWEEN.match(text, position).end()) < stop:  # type: ignore[union-attr]  # it matches nothing too
        following = _NEXT_EVENT.search(text, position + 1, stop)
        limit = following.start() if following else stop
        try:
            _, after = _LENIENT.raw_decode(text[position:limit])
            after += position
        except (ValueError, RecursionError):
            after = limit
        if not _AFTER_AN_EVENT.match(text[after:limit]):
            after = limit
        yield text[position:after]
        position = after


def _time(said: str) -> datetime | None:
    try:
        return msgspec.convert(said, Time)
    except (msgspec.ValidationError, ValueError):
        return None
