"""Access to the sockets: refusals are sent after the accept, as a close code."""

from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, Role, User, UserStatus
from apps.alerts.live.crowd import PER_SIGN_IN
from apps.alerts.live.stream import PATH as STREAM
from apps.common.access import PrincipalKind
from apps.common.db.scope import tenant_scope
from tests.kit.listener import listening
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School
from tests.kit.server import Server

pytestmark = pytest.mark.slow

TOKEN_ENDED, NO_RIGHT, BAD_MESSAGE, TOO_MANY = 4401, 4403, 4400, 4429


def a_token(person: Person, kind: PrincipalKind, lifetime: timedelta) -> str:
    claims = {"email": "teacher@school.example", "organizations": []}
    return tokens.mint(kind=kind, subject=person.id, claims=claims, lifetime=lifetime)


@pytest.mark.parametrize("path", ["/ws/alerts", "/ws/edge"])
@pytest.mark.parametrize("bad", ["none", "nonsense", "expired", "stranger"])
def test_invalid_token_closes_the_socket_with_its_code_after_accept(
    server: Server, operator: Person, path: str, bad: str
) -> None:
    """A close code reaches a browser only after the accept."""
    stranger = Person(User())
    bad_tokens = {
        "none": None,
        "nonsense": "a.b.c",
        "expired": a_token(operator, PrincipalKind.PERSON, timedelta(seconds=-1)),
        "stranger": a_token(stranger, PrincipalKind.PERSON, timedelta(minutes=1)),
    }
    with listening(server, bad_tokens[bad], path=path) as listener:
        assert listener.close_code() == TOKEN_ENDED


def test_callers_without_permission_are_closed_with_forbidden(server: Server, school: School, operator: Person) -> None:
    """Cases: a viewer, a person without membership, a gateway at the people's endpoint, a person at the gateways'."""
    viewer, nowhere = (
        PersonFactory.create(role=Role.VIEWER, organization=school.organization),
        PersonFactory.create(role=Role.ADMIN),
    )
    for token, path in (
        (viewer.token, "/ws/alerts"),
        (nowhere.token, "/ws/alerts"),
        (school.gateway_token, "/ws/alerts"),
        (operator.token, "/ws/edge"),
    ):
        with listening(server, token, path=path) as listener:
            assert listener.close_code() == NO_RIGHT


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"hello"}', '{"type":"resume","organizations":{"x":1}}'])
def test_invalid_first_message_closes_the_socket(server: Server, operator: Person, text: str) -> None:
    """The socket closes instead of starting from a position that the client did not mean."""
    with listening(server, operator.token) as listener:
        listener.socket.send(text)
        assert listener.close_code() == BAD_MESSAGE


def test_later_client_messages_are_ignored(server: Server, school: School, operator: Person) -> None:
    """The socket stays open."""
    with listening(server, operator.token) as listener:
        listener.resume({})
        listener.socket.send("no json")
        raise_alert(school)
        assert listener.next()["type"] == "alert.created"


def test_unknown_socket_path_is_refused(server: Server, operator: Person) -> None:
    """An unknown path is refused."""
    with pytest.raises(InvalidStatus), listening(server, operator.token, path="/ws/other"):
        pass


def test_browser_connects_with_its_session_cookie(server: Server, school: School, operator: Person) -> None:
    """The cookie is accepted only from our own pages, because a socket has no CSRF token."""
    browser = Browser()
    browser.force_login(User.objects.get(pk=operator.id))
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    with listening(server, None, headers=cookie, origin=server.url) as listener:
        assert listener.until_ready()[-1]["organizations"] == {str(school.organization): 0}
    with listening(server, None, headers=cookie, origin="https://evil.example") as listener:
        assert listener.close_code() == TOKEN_ENDED


def _with_session(person: Person) -> dict[str, str]:
    browser = Browser()
    browser.force_login(User.objects.get(pk=person.id))
    return {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}


def test_session_is_accepted_only_from_the_same_scheme_host_and_port(server: Server, operator: Person) -> None:
    """Another port or scheme of our host may belong to another site; so may a page without an origin."""
    address = urlsplit(server.url)
    ours = f"http://{address.hostname}:{address.port}"
    foreign = [
        f"https://{address.hostname}:{address.port}",
        f"http://{address.hostname}:1",
        f"http://{address.hostname}",
        f"http://localhost:{address.port}",
        f"{ours}.evil.example",
        "null",
        None,
    ]
    cookie = _with_session(operator)
    for origin in foreign:
        with listening(server, None, headers=cookie, origin=origin) as listener:
            assert listener.close_code() == TOKEN_ENDED, origin
    for origin in (ours, settings.BASE_URL):
        with listening(server, None, headers=cookie, origin=origin) as listener:
            assert listener.until_ready()


def test_session_stream_refuses_a_foreign_origin(server: Server, operator: Person) -> None:
    """A browser sends no origin when one of our own pages reads it, and always sends one for a page of another site."""
    cookie = _with_session(operator)
    for origin, status in ((None, 200), (server.url, 200), ("http://127.0.0.1:1", 401)):
        headers = {**cookie, **({"origin": origin} if origin else {})}
        with httpx.stream("GET", f"{server.url}{STREAM}", headers=headers) as answer:
            assert answer.status_code == status, origin


def test_sign_in_over_its_connection_limit_loses_its_oldest_connection(server: Server, operator: Person) -> None:
    """Its newest connection stays open, and so does another sign-in of the same person."""
    other = sign_in.begin(user=User.objects.get(pk=operator.id), now=timezone.now()).access
    with ExitStack() as stack:
        elsewhere = stack.enter_context(listening(server, other))
        elsewhere.start()
        sockets = []
        for _ in range(PER_SIGN_IN + 2):
            sockets.append(stack.enter_context(listening(server, operator.token)))
            sockets[-1].start()
        assert [socket.close_code() for socket in sockets[:2]] == [TOO_MANY, TOO_MANY]
        for socket in (elsewhere, sockets[2], sockets[-1]):
            with pytest.raises(TimeoutError):
                socket.socket.recv(timeout=0.2)


def test_socket_closes_when_the_membership_ends(server: Server, school: School, operator: Person) -> None:
    """Within seconds, without any client message; suspending a person does the same with another code."""
    suspended = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    with listening(server, operator.token) as ended, listening(server, suspended.token) as gone:
        ended.start()
        gone.start()
        with tenant_scope([school.organization]):
            Membership.objects.filter(user_id=operator.id).delete()
        User.objects.filter(pk=suspended.id).update(status=UserStatus.SUSPENDED)
        assert ended.close_code() == NO_RIGHT
        assert gone.close_code() == TOKEN_ENDED
