"""A right that has ended closes every live door within one second, however many are open."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from django.db import connection, connections
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Membership, Role, ServiceToken, SignIn, User, UserStatus
from apps.accounts.principals import named_by_bearer, principals_of
from apps.accounts.services import sign_in
from apps.alerts.live.stream import PATH as STREAM
from apps.common.scope import tenant_scope
from tests.cloud.live.listener import Listener, listening
from tests.cloud.school import Person, School, make_person
from tests.cloud.server import Server
from tests.matrix.things import make_service_token
from tests.patience import WAIT_SECONDS, Promise

TOKEN_ENDED, NO_RIGHT = 4401, 4403
PROMISED_SECONDS: Final = 1.0
MANY: Final = 60


def end_sign_in(person: Person, school: School) -> None:
    with tenant_scope([]):
        sign_in.end_sign_ins(person.id, now=timezone.now())


def suspend(person: Person, school: School) -> None:
    User.objects.filter(pk=person.id).update(status=UserStatus.SUSPENDED)


def end_membership(person: Person, school: School) -> None:
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).delete()


def demote(person: Person, school: School) -> None:
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(role=Role.VIEWER)


def let_expire(person: Person, school: School) -> None:
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(expires_at=timezone.now())


ENDS: Final[list[tuple[Callable[[Person, School], None], int]]] = [
    (end_sign_in, TOKEN_ENDED),
    (suspend, TOKEN_ENDED),
    (end_membership, NO_RIGHT),
    (demote, NO_RIGHT),
    (let_expire, NO_RIGHT),
]


@contextmanager
def streaming(server: Server, token: str) -> Iterator[Thread]:
    """A stream that is open; the thread lives for as long as it is."""
    with httpx.stream("GET", f"{server.url}{STREAM}", headers={"authorization": f"Bearer {token}"}) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines) == "event: ready"
        thread = Thread(target=lambda: [None for _ in lines])
        thread.start()
        yield thread
        thread.join()


def closed_in_time(listener: Listener, promise: Promise) -> int:
    code = listener.close_code()
    assert promise.was_kept()
    return code


def ended_in_time(stream: Thread, promise: Promise) -> bool:
    stream.join(WAIT_SECONDS)
    return not stream.is_alive() and promise.was_kept()


@pytest.mark.parametrize(("end", "code"), ENDS, ids=lambda value: getattr(value, "__name__", None))
def test_an_ended_right_closes_socket_and_stream_within_a_second(
    server: Server, school: School, operator: Person, end: Callable[[Person, School], None], code: int
) -> None:
    """Without a word of the client; another's connections stay open."""
    other = make_person(Role.OPERATOR, school.organization)
    with (
        streaming(server, operator.token) as stream,
        listening(server, operator.token) as socket,
        listening(server, other.token) as stays,
    ):
        socket.start()
        stays.start()
        end(operator, school)
        promise = Promise(PROMISED_SECONDS)
        assert closed_in_time(socket, promise) == code
        assert ended_in_time(stream, promise)
        with pytest.raises(TimeoutError):
            stays.socket.recv(timeout=PROMISED_SECONDS)


def test_a_browser_that_was_signed_out_elsewhere_hears_nothing_more(
    server: Server, school: School, operator: Person
) -> None:
    browser = Browser()
    browser.force_login(User.objects.get(pk=operator.id))
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    with (
        listening(server, None, headers=cookie, origin=server.url) as by_session,
        listening(server, operator.token) as by_token,
    ):
        by_session.start()
        by_token.start()
        SignIn.objects.get(user_id=operator.id, kind="browser").delete()
        assert closed_in_time(by_session, Promise(PROMISED_SECONDS)) == TOKEN_ENDED
        with pytest.raises(TimeoutError):
            by_token.socket.recv(timeout=PROMISED_SECONDS)


def test_a_withdrawn_service_hears_nothing_more(server: Server, school: School) -> None:
    token_id, secret = make_service_token(school, frozenset({"alerts:read"}))
    with streaming(server, secret) as stream, listening(server, secret) as socket:
        socket.start()
        with tenant_scope([school.organization]):
            ServiceToken.objects.filter(pk=token_id).delete()
        promise = Promise(PROMISED_SECONDS)
        assert closed_in_time(socket, promise) == TOKEN_ENDED
        assert ended_in_time(stream, promise)


def test_a_revoked_gateway_hears_nothing_more(server: Server, school: School) -> None:
    with listening(server, school.gateway_token, path="/ws/edge") as socket:
        socket.say({"type": "resume", "cursor": None})
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE gateways SET status = 'revoked' WHERE id = %s", [school.gateway])
        assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == TOKEN_ENDED


def test_many_connections_end_as_soon_as_one(server: Server, school: School) -> None:
    """A school's every board at once."""
    people = [make_person(Role.OPERATOR, school.organization) for _ in range(MANY)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening(server, person.token)) for person in people]
        for socket in sockets:
            socket.start()
        with tenant_scope([school.organization]):
            Membership.objects.all().delete()
        promise = Promise(PROMISED_SECONDS)
        assert {socket.close_code() for socket in sockets} == {NO_RIGHT}
        assert promise.was_kept()


def test_all_connections_of_a_kind_are_asked_about_in_one_statement(school: School) -> None:
    """So many people, a gateway and a service: three statements."""
    people = [make_person(Role.OPERATOR, school.organization) for _ in range(5)]
    secrets = [make_service_token(school, frozenset({"alerts:read"}))[1] for _ in range(3)]
    named = [named_by_bearer(token) for token in (*(p.token for p in people), *secrets, school.gateway_token)]
    with CaptureQueriesContext(connection) as queries:
        found: dict[Any, Any] = principals_of(named)
    assert len(queries) == 3
    assert {principal.id for principal in found.values()} > {person.id for person in people}
    assert all(isinstance(principal.id, UUID) and principal.grants for principal in found.values())
    assert len(found) == len(named)
