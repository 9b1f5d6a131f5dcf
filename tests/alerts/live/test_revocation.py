"""Revoked access closes every live connection within one second, however many are open."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Thread
from typing import Any, Final
from uuid import UUID

import httpx
import jwt
import pytest
from django.db import connection, connections
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.principals.principals import Named, named_by_bearer, principals_of
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import (
    BuildingGrant,
    Membership,
    MembershipScope,
    Permission,
    Role,
    ServiceToken,
    SignIn,
    User,
    UserStatus,
    Visit,
)
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.alerts.live.stream import PATH as STREAM
from apps.common.access import PrincipalKind
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization, OrganizationStatus
from tests.kit.listener import Listener, listening
from tests.kit.patience import WAIT_SECONDS, Promise
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory
from tests.kit.server import Server
from tests.kit.service_tokens import make_service_token

pytestmark = pytest.mark.slow

TOKEN_ENDED, NO_RIGHT = 4401, 4403
PROMISED_SECONDS: Final = 1.0
MANY: Final = 60


@pytest.fixture(scope="module")
def callers(database: None) -> list[tuple[UUID, UUID]]:
    """Two sign-ins of one person and one of another."""
    school = SchoolFactory.create()
    people = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2)]
    sign_in.begin(user=User.objects.get(pk=people[0].id), now=timezone.now())
    ids = [person.id for person in people]
    return list(SignIn.objects.filter(user_id__in=ids).values_list("user_id", "id"))


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


def let_sign_in_expire(person: Person, school: School) -> None:
    SignIn.objects.filter(user_id=person.id).update(expires_at=timezone.now())


def bind_sign_in_to_another_school(person: Person, school: School) -> None:
    SignIn.objects.filter(user_id=person.id).update(only_organization=SchoolFactory.create().organization)


def narrow_to_no_place(person: Person, school: School) -> None:
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)


def make_day_account(person: Person, school: School) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(trigger_only=True, expires_at=tomorrow)


def delete_school(person: Person, school: School) -> None:
    with tenant_scope([school.organization]):
        Organization.objects.update(status=OrganizationStatus.DELETED)


ENDS: Final[list[tuple[Callable[[Person, School], None], int]]] = [
    (end_sign_in, TOKEN_ENDED),
    (let_sign_in_expire, TOKEN_ENDED),
    (suspend, TOKEN_ENDED),
    (bind_sign_in_to_another_school, NO_RIGHT),
    (end_membership, NO_RIGHT),
    (demote, NO_RIGHT),
    (let_expire, NO_RIGHT),
    (narrow_to_no_place, NO_RIGHT),
    (make_day_account, NO_RIGHT),
    (delete_school, NO_RIGHT),
]


@contextmanager
def streaming(server: Server, token: str) -> Iterator[Thread]:
    """A stream that is open; its thread runs as long as the stream."""
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
def test_revoked_access_closes_socket_and_stream_within_a_second(
    server: Server, school: School, operator: Person, end: Callable[[Person, School], None], code: int
) -> None:
    """Without any client message; connections of other people stay open."""
    other = PersonFactory.create(role=Role.OPERATOR, organization=SchoolFactory.create().organization)
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


def test_browser_connection_closes_after_sign_out_elsewhere(server: Server, school: School, operator: Person) -> None:
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


def test_service_connection_closes_after_its_token_is_revoked(server: Server, school: School) -> None:
    token_id, secret = make_service_token(school, frozenset({"alerts:read"}))
    with streaming(server, secret) as stream, listening(server, secret) as socket:
        socket.start()
        with tenant_scope([school.organization]):
            ServiceToken.objects.filter(pk=token_id).delete()
        promise = Promise(PROMISED_SECONDS)
        assert closed_in_time(socket, promise) == TOKEN_ENDED
        assert ended_in_time(stream, promise)


def test_gateway_connection_closes_after_it_is_revoked(server: Server, school: School) -> None:
    with listening(server, school.gateway_token, path="/ws/edge") as socket:
        socket.say({"type": "resume", "cursor": None})
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE gateways SET status = 'revoked' WHERE id = %s", [school.gateway])
        assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == TOKEN_ENDED


def test_many_connections_close_as_fast_as_one(server: Server, school: School) -> None:
    """For example all boards of a school at once."""
    people = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(MANY)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening(server, person.token)) for person in people]
        for socket in sockets:
            socket.start()
        with tenant_scope([school.organization]):
            Membership.objects.all().delete()
        promise = Promise(PROMISED_SECONDS)
        assert {socket.close_code() for socket in sockets} == {NO_RIGHT}
        assert promise.was_kept()


def end_visit(visit: Visit, school: School) -> None:
    with tenant_scope([school.organization]):
        Visit.objects.filter(pk=visit.pk).update(ended_at=timezone.now())


def let_visit_end_by_time(visit: Visit, school: School) -> None:
    with tenant_scope([school.organization]):
        Visit.objects.filter(pk=visit.pk).update(ends_at=timezone.now())


def withdraw_super_admin(visit: Visit, school: School) -> None:
    User.objects.filter(pk=visit.user_id).update(is_super_admin=False)


@pytest.mark.parametrize("end", [end_visit, let_visit_end_by_time, withdraw_super_admin])
def test_visitor_connection_closes_when_the_visit_ends(
    server: Server, school: School, end: Callable[[Visit, School], None]
) -> None:
    visitor = PersonFactory.create(is_super_admin=True)
    now = timezone.now()
    with tenant_scope([school.organization]):
        visit = Visit.objects.create(
            organization_id=school.organization,
            user_id=visitor.id,
            reason="A look",
            started_at=now,
            ends_at=now + timedelta(hours=1),
        )
    with listening(server, visitor.token) as socket:
        socket.start()
        end(visit, school)
        assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == NO_RIGHT


def test_connection_closes_when_the_role_loses_the_right(server: Server, school: School, operator: Person) -> None:
    right = {"role": "operator", "resource": "alerts", "action": "read"}
    table = Permission.objects.using("owner")
    with listening(server, operator.token) as socket:
        socket.start()
        table.filter(**right).delete()
        try:
            assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == NO_RIGHT
        finally:
            table.create(**right)


def test_building_scoped_connection_closes_when_the_grant_is_removed(server: Server, school: School) -> None:
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
        membership = Membership.objects.get(user_id=person.id)
        held = RoleAt(Role.OPERATOR, MembershipScope.PLACES, buildings=frozenset({school.building}))
        grant_places(membership, held)
    with listening(server, person.token) as socket:
        socket.start()
        with tenant_scope([school.organization]):
            BuildingGrant.objects.filter(user_id=person.id).delete()
        assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == NO_RIGHT


@pytest.mark.parametrize("status", [OrganizationStatus.SUSPENDED, OrganizationStatus.ACTIVE])
def test_connection_stays_open_when_its_visibility_is_unchanged(
    server: Server, school: School, operator: Person, status: OrganizationStatus
) -> None:
    """Other changes: an unpaid bill, a new name, a higher role. The board continues without a gap."""
    with listening(server, operator.token) as socket:
        socket.start()
        with tenant_scope([school.organization]):
            Organization.objects.update(status=status, settings={"locale": "en-GB"})
            Membership.objects.filter(user_id=operator.id).update(role=Role.OPERATOR, title="Nurse")
        User.objects.filter(pk=operator.id).update(first_name="Other")
        with pytest.raises(TimeoutError):
            socket.socket.recv(timeout=PROMISED_SECONDS)
        raise_alert(school)
        assert socket.next()["type"] == "alert.created"


def test_connection_closes_when_access_expires(server: Server, school: School) -> None:
    """Nothing is written at that moment: each connection knows when its access expires."""
    substitute, short = (PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2))
    token_id, secret = make_service_token(school, frozenset({"alerts:read"}))
    with (
        listening(server, substitute.token) as member,
        listening(server, short.token) as signed_in,
        listening(server, secret) as service,
    ):
        sockets = (member, signed_in, service)
        for socket in sockets:
            socket.start()
        soon = timedelta(seconds=2)
        promise, ends = Promise(soon.total_seconds() + PROMISED_SECONDS), timezone.now() + soon
        with tenant_scope([school.organization]):
            Membership.objects.filter(user_id=substitute.id).update(expires_at=ends)
            ServiceToken.objects.filter(pk=token_id).update(expires_at=ends)
        SignIn.objects.filter(user_id=short.id).update(expires_at=ends)
        assert [socket.close_code() for socket in sockets] == [NO_RIGHT, TOKEN_ENDED, TOKEN_ENDED]
        assert promise.was_kept() and timezone.now() >= ends


def test_gateway_connection_closes_when_its_buildings_change(server: Server, school: School) -> None:
    """It reconnects, and receives events of its new building."""
    with listening(server, school.gateway_token, path="/ws/edge") as socket:
        socket.say({"type": "resume", "cursor": None})
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "UPDATE gateway_buildings SET building_id = %s WHERE gateway_id = %s",
                [school.other_building, school.gateway],
            )
        assert closed_in_time(socket, Promise(PROMISED_SECONDS)) == NO_RIGHT


def test_connections_of_one_caller_with_different_tokens_stay_open(
    server: Server, school: School, operator: Person
) -> None:
    """A token from before a refresh and one from after it; a gateway's old and new tokens."""
    claims = jwt.decode(operator.token, options={"verify_signature": False})
    refreshed = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=operator.id,
        claims={name: claims[name] for name in ("sid", "email", "organizations")},
        lifetime=timedelta(minutes=20),
    )
    gateway_tokens = [
        tokens.mint(kind=PrincipalKind.GATEWAY, subject=school.gateway, claims={}, lifetime=timedelta(minutes=minutes))
        for minutes in (5, 10)
    ]
    with ExitStack() as stack:
        people = [stack.enter_context(listening(server, token)) for token in (operator.token, refreshed)]
        gateways = [stack.enter_context(listening(server, token, path="/ws/edge")) for token in gateway_tokens]
        for socket in people:
            socket.start()
        for socket in gateways:
            socket.say({"type": "resume", "cursor": None})
        with pytest.raises(TimeoutError):
            people[0].socket.recv(timeout=2 * PROMISED_SECONDS)
        raise_alert(school)
        assert [socket.next()["type"] for socket in (*people, *gateways)] == ["alert.created"] * 4


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-5, 5)), max_size=12))
def test_credentials_resolve_independently_in_one_batch(
    callers: list[tuple[UUID, UUID]], asked: list[tuple[int, int]]
) -> None:
    """Many credentials can name the same caller; each unexpired one resolves to the principal of that caller only."""
    now = timezone.now()
    named = {
        Named(PrincipalKind.PERSON, *callers[number], until=now + timedelta(seconds=seconds))
        for number, seconds in asked
    }
    found = principals_of(named, now=now)
    assert set(found) == {one for one in named if one.until is not None and now < one.until}
    assert all((principal.id, principal.sign_in) == (one.subject, one.sign_in) for one, principal in found.items())


def test_connections_of_one_kind_are_checked_in_one_statement(school: School) -> None:
    """Many people, a gateway and a service take three statements."""
    people = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(5)]
    secrets = [make_service_token(school, frozenset({"alerts:read"}))[1] for _ in range(3)]
    named = [named_by_bearer(token) for token in (*(p.token for p in people), *secrets, school.gateway_token)]
    with CaptureQueriesContext(connection) as queries:
        found: dict[Any, Any] = principals_of(named)
    assert len(queries) == 3
    assert {principal.id for principal in found.values()} > {person.id for person in people}
    assert all(isinstance(principal.id, UUID) and principal.grants for principal in found.values())
    assert len(found) == len(named)
