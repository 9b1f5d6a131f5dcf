"""`GET /api/v1/alerts/stream`: the same messages as server-sent events, for clients that cannot use a socket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from apps.accounts.models import Role
from contracts.validation import problems
from tests.kit.feed import feed_seqs
from tests.kit.patience import WAIT_SECONDS
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School
from tests.kit.server import Server

pytestmark = pytest.mark.slow

PATH = "/api/v1/alerts/stream"


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    type: str
    id: str
    data: Any


@contextmanager
def streaming(server: Server, person: Person, last: str | None = None) -> Iterator[Iterator[Event]]:
    headers = {"authorization": f"Bearer {person.token}", **({"last-event-id": last} if last is not None else {})}
    with httpx.stream("GET", f"{server.url}{PATH}", headers=headers, timeout=WAIT_SECONDS) as answer:
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        assert problems("live", fields["data"].encode()) == []
        event = Event(fields["event"], fields["id"], json.loads(fields["data"]))
        assert event.type == event.data["type"]
        yield event
        fields = {}


def test_stream_resumes_after_the_last_event_id(server: Server, school: School, operator: Person) -> None:
    """The id of each event is a cursor: missed events are sent once, followed by new ones."""
    with streaming(server, operator) as stream:
        ready = next(stream).data
        assert (ready["type"], ready["organizations"]) == ("ready", {str(school.organization): 0})
        raise_alert(school)
        seen = next(stream)
        assert (seen.type, seen.data["seq"]) == ("alert.created", feed_seqs(school)[0])
    raise_alert(school)
    raise_alert(school)
    _, *missed = feed_seqs(school)
    with streaming(server, operator, seen.id) as stream:
        assert [next(stream).data["seq"] for _ in range(2)] == missed
        assert next(stream).data == ready | {"organizations": {str(school.organization): missed[-1]}}
        raise_alert(school)
        assert next(stream).data["seq"] == feed_seqs(school)[-1]


@pytest.mark.parametrize("last", ["nonsense", "e30", "W10", "bnVsbA", "%00", "A" * 3000])
def test_invalid_stream_cursor_causes_resync(server: Server, school: School, operator: Person, last: str) -> None:
    """Not an error, which browsers would retry for ever, and not a start at the head, which could skip events."""
    raise_alert(school)
    with streaming(server, operator, last) as stream:
        resync, ready = next(stream).data, next(stream).data
        assert (resync["type"], resync["seq"]) == ("resync", feed_seqs(school)[-1])
        assert ready["organizations"] == {str(school.organization): resync["seq"]}


def test_stream_refuses_callers_without_permission(server: Server, school: School) -> None:
    """401 for anonymous callers, 403 for a viewer, as a problem."""
    viewer = PersonFactory.create(role=Role.VIEWER, organization=school.organization)
    for token, status in ((viewer.token, 403), ("a.b.c", 401)):
        answer = httpx.get(f"{server.url}{PATH}", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert problems("problem", answer.content) == []
    assert httpx.get(f"{server.url}{PATH}").status_code == 401


def test_operator_stream_omits_silent_alerts(server: Server, school: School, operator: Person) -> None:
    """The same redaction as on a socket."""
    with streaming(server, operator) as stream:
        assert next(stream).type == "ready"
        raise_alert(school, silent=True)
        raise_alert(school)
        assert next(stream).data["seq"] == feed_seqs(school)[-1]
