"""Other requests take no thread, connection or time from alarms: on a real server, during real attacks.

Each test keeps an attack running and requires that gateways, people and health checks get answers meanwhile. The only
time asserted is a deadline that only a stopped server misses.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from threading import Event
from uuid import uuid4

import httpx
import msgspec
import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.identity.credentials.hashers import BoundedPasswordHasher
from apps.accounts.models import Role
from apps.common.http.limits.body_limits import ANONYMOUS_BYTES, ORDINARY_BYTES
from apps.common.problems import ERRORS_SHOWN
from safesignal.asgi import application
from safesignal.lanes import Lane, lane_of
from tests.kit.patience import WAIT_SECONDS, until
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert, raised
from tests.kit.school import School, SchoolFactory
from tests.kit.server import HOST, Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

PATIENCE_SECONDS = 2 * WAIT_SECONDS
HALF_SENT = 48
"""Several times the number of threads of the server."""


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def school(database: None) -> School:
    return SchoolFactory.create()


@pytest.fixture(scope="module")
def admin(school: School) -> Person:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization)


def connected(server: Server) -> socket.socket:
    return socket.create_connection((HOST, server.port), timeout=PATIENCE_SECONDS)


def half_sent_request(server: Server, path: str, *, token: str = "") -> socket.socket:
    """Open a request whose body never arrives completely."""
    line = connected(server)
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n"
    line.sendall(f"{head}{f'Authorization: Bearer {token}' if token else 'X-Nothing: 1'}\r\n\r\n{{".encode())
    return line


def in_process(address: str) -> httpx.AsyncClient:
    """Return a client of the application in this process, with that address."""
    transport = httpx.ASGITransport(application, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=settings.BASE_URL)


def assert_alarms_are_served(server: Server, school: School, admin: Person) -> None:
    """Check that a gateway's press is stored, a person can acknowledge it, and the health check passes."""
    alert = raise_alert(school)
    body = msgspec.json.encode({"epoch": school.epoch, "events": [raised(school)]})
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
        as_gateway = {"Authorization": f"Bearer {school.gateway_token}", "Content-Type": "application/json"}
        answer = http.post("/api/v1/edge/events", content=body, headers=as_gateway)
        assert [result["result"] for result in answer.json()["results"]] == ["stored"]
        as_person = {"Authorization": f"Bearer {admin.token}"}
        assert http.put(f"/api/v1/alerts/{alert}/acknowledge", headers=as_person).status_code == HTTPStatus.OK
        assert http.get("/health/ready").status_code == HTTPStatus.OK


@contextmanager
def repeated(work: Callable[[], None], *, threads: int) -> Iterator[None]:
    """Run `work` repeatedly in each of `threads` threads, from before the block until after it."""
    over, began = Event(), Event()

    def repeat() -> None:
        while not over.is_set():
            work()
            began.set()

    with ThreadPoolExecutor(threads) as pool:
        repeating = [pool.submit(repeat) for _ in range(threads)]
        try:
            assert began.wait(PATIENCE_SECONDS)
            yield
        finally:
            over.set()
        for one in repeating:
            one.result()


def test_half_sent_bodies_do_not_delay_alarms(server: Server, school: School, admin: Person) -> None:
    """At the sign-in endpoint, as a gateway and as a person; 48 bodies, where there are 18 threads."""
    alert = raise_alert(school)
    targets = (
        ("/api/v1/auth/login", ""),
        ("/api/v1/edge/events", school.gateway_token),
        (f"/api/v1/alerts/{alert}/acknowledge", admin.token),
        ("/login/", ""),
    )
    with ExitStack() as held:
        for number in range(HALF_SENT):
            path, token = targets[number % len(targets)]
            held.enter_context(half_sent_request(server, path, token=token))
        assert_alarms_are_served(server, school, admin)


def test_half_sent_body_is_refused_after_its_deadline(server: Server) -> None:
    with half_sent_request(server, "/api/v1/auth/login") as line:
        line.settimeout(settings.BODY_SECONDS + PATIENCE_SECONDS)
        answer = line.recv(4096)
    assert b"408" in answer.partition(b"\r\n")[0] and b"body_too_slow" in answer


def test_large_bodies_of_unknown_keys_do_not_delay_alarms(server: Server, school: School, admin: Person) -> None:
    body = json.dumps({f"k{number}": 1 for number in range(190_000)}).encode()

    def attack() -> None:
        headers = {"Content-Type": "application/json"}
        try:
            answer = httpx.post(
                f"{server.url}/api/v1/auth/login",
                content=body,
                headers=headers,
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
        except httpx.TransportError:
            return  # refused before all of it was sent
        assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert len(answer.content) < ANONYMOUS_BYTES

    with repeated(attack, threads=8):
        assert_alarms_are_served(server, school, admin)


def test_failed_sign_ins_do_not_delay_alarms_or_pages(server: Server, school: School, admin: Person) -> None:
    def attack() -> None:
        wrong = {"email": f"{uuid4()}@school.example", "password": "wrong-wrong-wrong"}
        answer = httpx.post(
            f"{server.url}/api/v1/auth/login", json=wrong, timeout=4 * PATIENCE_SECONDS, trust_env=False
        )
        assert answer.status_code in {
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        }
        assert answer.status_code == HTTPStatus.UNAUTHORIZED or "Retry-After" in answer.headers

    with repeated(attack, threads=40):
        assert_alarms_are_served(server, school, admin)
        page = httpx.get(f"{server.url}/login/", timeout=PATIENCE_SECONDS, trust_env=False)
        assert page.status_code == HTTPStatus.OK


async def test_sign_ins_use_only_their_own_threads(
    school: School, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where hashing can be blocked: many more sign-ins than threads, from as many addresses."""
    release = Event()
    monkeypatch.setattr(BoundedPasswordHasher, "encode", lambda *_: str(release.wait(4 * PATIENCE_SECONDS)))

    async def sign_in(address: str) -> None:
        wrong = {"email": f"{uuid4()}@school.example", "password": "wrong-wrong-wrong"}
        async with in_process(address) as http:
            await http.post("/api/v1/auth/login", json=wrong)

    signing_in = [asyncio.ensure_future(sign_in(f"192.0.2.{number}")) for number in range(HALF_SENT)]
    try:
        async with in_process("198.51.100.1") as http, asyncio.timeout(PATIENCE_SECONDS):
            body = msgspec.json.encode({"epoch": school.epoch, "events": [raised(school)]})
            as_gateway = {"Authorization": f"Bearer {school.gateway_token}", "Content-Type": "application/json"}
            stored = await http.post("/api/v1/edge/events", content=body, headers=as_gateway)
            assert [result["result"] for result in stored.json()["results"]] == ["stored"]
            as_person = {"Authorization": f"Bearer {admin.token}"}
            assert (await http.get("/api/v1/alerts", headers=as_person)).status_code == HTTPStatus.OK
            assert (await http.get("/login/")).status_code == HTTPStatus.OK
    finally:
        release.set()
        await asyncio.gather(*signing_in, return_exceptions=True)


def test_slow_reading_clients_do_not_delay_alarms(server: Server, school: School, admin: Person) -> None:
    """They request pages larger than the buffers of a connection, and never read."""
    with ExitStack() as held:
        for _ in range(HALF_SENT):
            line = held.enter_context(connected(server))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.sendall(f"GET /api/v1/openapi.json HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        assert_alarms_are_served(server, school, admin)
        until(
            lambda: (
                httpx.get(f"{server.url}/login/", timeout=PATIENCE_SECONDS, trust_env=False).status_code
                == HTTPStatus.OK
            ),
            PATIENCE_SECONDS,
        )


def test_anonymous_body_is_limited_before_it_is_read(server: Server) -> None:
    """The refusal comes although no part of the body was sent."""
    with connected(server) as line:
        head = f"POST /api/v1/organizations HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {ANONYMOUS_BYTES + 1}\r\n\r\n"
        line.sendall(head.encode())
        answer = line.recv(4096)
    assert b" 413 " in answer.partition(b"\r\n")[0]


def test_chunked_body_is_read_completely_and_limited(server: Server) -> None:
    def chunks(number: int) -> Iterator[bytes]:
        yield b'{"email":"nobody@school.example","password":"'
        yield from (b"x" * 1024 for _ in range(number))
        yield b'"}'

    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
        small = http.post("/api/v1/auth/login", content=chunks(0), headers=headers)
        assert small.status_code != HTTPStatus.BAD_REQUEST or small.json()["code"] != "malformed"
        large = http.post("/api/v1/auth/login", content=chunks(64), headers=headers)
    assert large.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_endless_body_is_refused_once_it_is_too_large(server: Server) -> None:
    with connected(server) as line:
        head = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"
        line.sendall(head.encode() + b"%x\r\n" % (ANONYMOUS_BYTES + 1) + b"x" * (ANONYMOUS_BYTES + 1) + b"\r\n")
        answer = line.recv(4096)
    assert b" 413 " in answer.partition(b"\r\n")[0]


def test_body_of_an_authenticated_caller_is_limited(server: Server, school: School, admin: Person) -> None:
    headers = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"}
    body = b'{"name":"' + b"x" * ORDINARY_BYTES + b'"}'
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
        answer = http.post(f"/api/v1/organizations/{school.organization}/invitations", content=body, headers=headers)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_errors_of_many_unknown_fields_are_capped(server: Server) -> None:
    body = {f"{number:03}{'x' * 200}": 1 for number in range(60)}
    answer = httpx.post(f"{server.url}/api/v1/auth/login", json=body, timeout=PATIENCE_SECONDS, trust_env=False)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    errors = answer.json()["errors"]
    assert len(errors) == ERRORS_SHOWN
    assert errors["non_field_errors"] == [f"There are no such fields: {len(body) - ERRORS_SHOWN + 1} more."]
    assert max(map(len, errors)) <= 100


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"email":[' + b"0," * 30_000 + b"0]}", "values"),
        (b'{"email":' + b"[" * 40 + b"]" * 40 + b"}", "nested"),
    ],
    ids=["values", "levels"],
)
def test_json_with_too_many_values_or_levels_is_refused(
    server: Server, school: School, admin: Person, body: bytes, detail: str
) -> None:
    headers = {"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"}
    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS, trust_env=False) as http:
        answer = http.post(f"/api/v1/organizations/{school.organization}/invitations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.BAD_REQUEST, "malformed")
    assert detail in answer.json()["detail"]


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    """Return every route with an example path."""
    for pattern in patterns:
        here = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, here)
        else:
            yield here.replace("<uuid:", "<"), pattern


def test_alarm_lanes_match_the_routes_exempt_from_rate_limits() -> None:
    """Alarm routes have their own threads, and no other route uses those."""
    exempt_from_rate_limit, others = set(), set()
    for path, pattern in routes(get_resolver().url_patterns):
        view = pattern.callback
        lane = lane_of("POST", path)
        if getattr(getattr(view, "cls", view), "is_exempt_from_rate_limit", False) or path.startswith("/health/"):
            exempt_from_rate_limit.add(lane)
        elif lane in {Lane.GATEWAYS, Lane.ALARMS}:
            others.add(path)
    assert exempt_from_rate_limit == {Lane.GATEWAYS, Lane.ALARMS}
    assert others == {
        "/api/v1/edge/config",
        "/board/alerts/<alert_id>/acknowledge/",
        "/board/alerts/<alert_id>/resolve/",
    }
