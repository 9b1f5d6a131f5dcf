"""One trace through three programs, from the gateway's press to the screens that receive it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from apps.accounts.models import Role
from contracts import ROOT
from tests.http.collector import Collector, collecting
from tests.kit.listener import listening
from tests.kit.patience import until
from tests.kit.people import PersonFactory
from tests.kit.presses import raised
from tests.kit.school import School
from tests.kit.server import Server, running_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture(scope="module")
def server(database: None, collector: Collector) -> Iterator[Server]:
    """The cloud's programs, configured to export traces as an operator would."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running_server() as running:
            yield running


def test_press_is_one_trace_from_gateway_to_screen(server: Server, collector: Collector, school: School) -> None:
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    with listening(server, person.token) as listener:
        listener.start()
        answer = httpx.post(
            f"{server.url}/api/v1/edge/events",
            json={"epoch": str(school.epoch), "events": [raised(school)]},
            headers={
                "Authorization": f"Bearer {school.gateway_token}",
                "traceparent": f"00-{trace_id}-{span_id}-01",
            },
        )
        assert answer.status_code == httpx.codes.OK
        assert listener.next()["type"] == "alert.created"
    until(lambda: len(collector.of(trace_id)) >= 4)
    spans = {span.name: span for span in collector.of(trace_id)}
    request = spans["POST api/v1/edge/events"]
    ingest, relay, hub = spans["ingest"], spans["relay"], spans["hub"]
    assert request.parent_id == span_id
    assert ingest.parent_id == request.span_id
    assert relay.parent_id == hub.parent_id == request.span_id
    assert [span.service for span in (request, ingest, relay, hub)] == [
        "safesignal-web",
        "safesignal-web",
        "safesignal-relay",
        "safesignal-web",
    ]


def test_spans_contain_no_personal_data_or_input(server: Server, collector: Collector, school: School) -> None:
    person, before = PersonFactory.create(role=Role.OPERATOR, organization=school.organization), len(collector.spans)
    headers = {"Authorization": f"Bearer {person.token}"}
    httpx.get(f"{server.url}/api/v1/alerts?search=typed-by-tess", headers=headers)
    httpx.post(f"{server.url}/api/v1/auth/login", json={"email": "tess@school.example", "password": "hunter2hunter2"})
    until(lambda: len(collector.spans) >= before + 2)
    for private in (b"typed-by-tess", b"tess@", b"hunter2", person.token.encode(), person.name.encode()):
        assert private not in collector.raw


def test_exporter_is_not_loaded_without_an_endpoint() -> None:
    """It costs memory and start-up time, and starts a thread, which a school without a collector does not need."""
    ask = "import safesignal.wsgi, sys; print([name for name in sys.modules if 'opentelemetry.exporter' in name])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT.parent, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
