"""Who may open a socket, and how one is told that it is over: always after the accept, by a close code."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from websockets.exceptions import InvalidStatus

from apps.accounts import tokens
from apps.accounts.models import Membership, Role, User, UserStatus
from apps.common.access import PrincipalKind
from apps.common.ids import new_id
from apps.common.scope import tenant_scope
from tests.cloud.live.listener import listening
from tests.cloud.school import Person, School, make_person, raise_alert
from tests.cloud.server import Server

TOKEN_ENDED, NO_RIGHT, BAD_MESSAGE = 4401, 4403, 4400


def a_token(person: Person, kind: PrincipalKind, lifetime: timedelta) -> str:
    claims = {"email": "teacher@school.example", "organizations": []}
    return tokens.mint(kind=kind, subject=person.id, claims=claims, lifetime=lifetime)


@pytest.mark.parametrize("path", ["/ws/alerts", "/ws/edge"])
@pytest.mark.parametrize("bad", ["none", "nonsense", "expired", "stranger"])
def test_a_bad_token_is_told_so_after_the_socket_opened(server: Server, operator: Person, path: str, bad: str) -> None:
    """A close code reaches a browser only after the accept."""
    stranger = Person(new_id(), "", "")
    bad_tokens = {
        "none": None,
        "nonsense": "a.b.c",
        "expired": a_token(operator, PrincipalKind.PERSON, timedelta(seconds=-1)),
        "stranger": a_token(stranger, PrincipalKind.PERSON, timedelta(minutes=1)),
    }
    with listening(server, bad_tokens[bad], path=path) as listener:
        assert listener.close_code() == TOKEN_ENDED


def test_who_may_not_listen_is_told_so(server: Server, school: School, operator: Person) -> None:
    """A viewer, who belongs nowhere, a gateway at the people's door, a person at the gateways'."""
    viewer, nowhere = make_person(Role.VIEWER, school.organization), make_person(Role.ADMIN)
    for token, path in (
        (viewer.token, "/ws/alerts"),
        (nowhere.token, "/ws/alerts"),
        (school.gateway_token, "/ws/alerts"),
        (operator.token, "/ws/edge"),
    ):
        with listening(server, token, path=path) as listener:
            assert listener.close_code() == NO_RIGHT


@pytest.mark.parametrize("text", ["no json", "[]", '{"type":"hello"}', '{"type":"resume","organizations":{"x":1}}'])
def test_a_first_message_that_is_not_understood_closes(server: Server, operator: Person, text: str) -> None:
    """Rather than to start from somewhere else than was meant."""
    with listening(server, operator.token) as listener:
        listener.socket.send(text)
        assert listener.close_code() == BAD_MESSAGE


def test_what_a_client_says_later_changes_nothing(server: Server, school: School, operator: Person) -> None:
    """The socket stays open."""
    with listening(server, operator.token) as listener:
        listener.resume({})
        listener.socket.send("no json")
        raise_alert(school)
        assert listener.next()["seq"] == 1


def test_there_is_no_other_socket(server: Server, operator: Person) -> None:
    """An unknown path is refused."""
    with pytest.raises(InvalidStatus), listening(server, operator.token, path="/ws/other"):
        pass


def test_a_browser_comes_by_its_session(server: Server, school: School, operator: Person) -> None:
    """With the cookie, from a page of ours only: a socket has no CSRF token."""
    browser = Browser()
    browser.force_login(User.objects.get(pk=operator.id))
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
    with listening(server, None, headers=cookie, origin=server.url) as listener:
        assert listener.until_ready()[-1]["organizations"] == {str(school.organization): 0}
    with listening(server, None, headers=cookie, origin="https://evil.example") as listener:
        assert listener.close_code() == TOKEN_ENDED


def test_a_membership_that_ends_closes_the_socket(server: Server, school: School, operator: Person) -> None:
    """Without a word of the client, within seconds; so does a person who is suspended, with another code."""
    suspended = make_person(Role.OPERATOR, school.organization)
    with listening(server, operator.token) as ended, listening(server, suspended.token) as gone:
        ended.start()
        gone.start()
        with tenant_scope([school.organization]):
            Membership.objects.filter(user_id=operator.id).delete()
        User.objects.filter(pk=suspended.id).update(status=UserStatus.SUSPENDED)
        assert ended.close_code() == NO_RIGHT
        assert gone.close_code() == TOKEN_ENDED
