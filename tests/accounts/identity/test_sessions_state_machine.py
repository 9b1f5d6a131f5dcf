"""State machine: a revoked permission is refused one second later, and no other permission is lost, in any order.

After each step, every credential whose permissions changed calls a real endpoint, and so do the newest ones: each
response must match a small model. The test sets the clock; the model knows nothing of tables, tokens or keys.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.accounts.identity import users
from apps.accounts.identity.keys import key_ring, rotation
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import REUSE_GRACE, RefreshRefused, RefreshReused
from apps.accounts.models import Membership, Role, SignIn, User, UserStatus
from apps.accounts.people import memberships
from apps.accounts.rights import service_tokens
from apps.common.access import SYSTEM, Grant, Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization, OrganizationStatus
from tests.kit.quiet import without_request_log

pytestmark = pytest.mark.slow

ACCESS: Final = timedelta(minutes=15)
REFRESH: Final = timedelta(days=30)
BROWSER: Final = timedelta(days=14)
SERVICE: Final = timedelta(days=20)
READS_PLACES: Final = {Role.ADMIN, Role.MANAGER, Role.OPERATOR}
ALWAYS_CALLING: Final = 2
"""The number of newest credentials of each kind that call after every step."""
STEPS: Final = [1, 20, 58, 61, 61, 300, 901, 16 * 86_400]
"""Seconds: within the grace and after it, past the end of an access token, of a browser, of everything."""
WHICH: Final = st.integers(min_value=0, max_value=10_000)


@dataclass
class _Person:
    user: User
    role: Role = Role.OPERATOR
    is_member: bool = True
    is_active: bool = True


@dataclass
class _SignedIn:
    person: _Person
    id: UUID
    expires_at: datetime
    has_ended: bool = False


@dataclass
class _Access:
    """An access token, a browser, or a service's token."""

    client: Client
    expires_at: datetime
    signed_in: _SignedIn | None
    generation: int | None = None
    """The generation of the key that signed it."""
    last_status: int = 0
    """The status of its last response."""


@dataclass
class _Refresh:
    token: str
    signed_in: _SignedIn
    expires_at: datetime
    used_at: datetime | None = None
    successor: "_Refresh | None" = None


@dataclass
class _Service:
    id: UUID
    access: _Access
    is_withdrawn: bool = False


@dataclass
class _Clock:
    now: datetime = field(default_factory=timezone.now)

    def seconds(self) -> float:
        return self.now.timestamp()


class AccessMachine(RuleBasedStateMachine):
    """A school with two people and its services."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = _Clock()
        self.folder = tempfile.TemporaryDirectory()
        self.patches: list[Any] = [
            patch.object(timezone, "now", lambda: self.clock.now),
            patch.object(key_ring, "monotonic", self.clock.seconds),
            override_settings(TOKEN_KEYS_DIR=Path(self.folder.name)),
        ]
        for one in self.patches:
            one.__enter__()
        self.generation = 0
        self.status = OrganizationStatus.ACTIVE
        self.accesses: list[_Access] = []
        self.browsers: list[_Access] = []
        self.refreshes: list[_Refresh] = []
        self.services: list[_Service] = []
        self.sign_ins: list[_SignedIn] = []

    def teardown(self) -> None:
        for one in reversed(self.patches):
            one.__exit__(None, None, None)
        self.folder.cleanup()

    @initialize()
    def create_school(self) -> None:
        rotation.carry_out(rotation.plan(Path(self.folder.name), now=self.clock.now))
        self.school = new_id()
        with tenant_scope([self.school]):
            Organization.objects.create(id=self.school, name="School", slug=f"school-{self.school.hex}")
            self.people = [_Person(self._user()) for _ in range(2)]
        for which in range(len(self.people)):
            self.signs_in(which)
            self.signs_in_with_a_browser(which)
        self.a_service_is_made()

    # --- Signing in and out

    @rule(which=WHICH)
    def signs_in(self, which: int) -> None:
        person = self._person(which)
        if not person.is_active:
            return
        pair = sign_in.begin(user=person.user, now=self.clock.now)
        signed_in = self._signed_in(person, REFRESH)
        self.refreshes.append(_Refresh(pair.refresh, signed_in, self.clock.now + REFRESH))
        self._given(pair.access, signed_in)

    @rule(which=WHICH)
    def signs_in_with_a_browser(self, which: int) -> None:
        person = self._person(which)
        if not person.is_active:
            return
        browser = Client()
        browser.force_login(person.user)
        signed_in = self._signed_in(person, BROWSER)
        self.browsers.append(_Access(browser, self.clock.now + BROWSER, signed_in))

    @precondition(lambda self: self.refreshes)
    @rule(which=WHICH)
    def refreshes_with(self, which: int) -> None:
        """Any refresh token that was ever issued: the newest, a used one, an expired one."""
        presented = self.refreshes[-1 - which % len(self.refreshes)]
        now = self.clock.now
        refused = self._must_be_refused(presented)
        try:
            pair = sign_in.refresh(token=presented.token, now=now)
        except RefreshRefused as refusal:
            assert type(refusal) is refused
            presented.signed_in.has_ended |= refused is RefreshReused
            return
        assert refused is None
        if presented.successor is None:
            presented.used_at = now
            presented.successor = _Refresh(pair.refresh, presented.signed_in, now + REFRESH)
            presented.signed_in.expires_at = now + REFRESH
            self.refreshes.append(presented.successor)
        assert pair.refresh == presented.successor.token
        self._given(pair.access, presented.signed_in)

    @precondition(lambda self: self.refreshes)
    @rule(which=WHICH)
    def signs_out(self, which: int) -> None:
        presented = self.refreshes[-1 - which % len(self.refreshes)]
        sign_in.logout(token=presented.token)
        if presented.expires_at > self.clock.now:
            presented.signed_in.has_ended = True

    @precondition(lambda self: self.sign_ins)
    @rule(which=WHICH)
    def ends_a_sign_in(self, which: int) -> None:
        """From another device of the same person."""
        signed_in = self.sign_ins[-1 - which % len(self.sign_ins)]
        if SignIn.objects.filter(pk=signed_in.id).exists():
            with tenant_scope([self.school]):
                sign_in.end(principal=self._principal(signed_in.person), sign_in=signed_in.id)
        signed_in.has_ended = True

    @rule(which=WHICH, keeps_one=st.booleans())
    def ends_all_sign_ins(self, which: int, keeps_one: bool) -> None:
        person = self._person(which)
        own = [one for one in self.sign_ins if one.person is person]
        kept = own[-1] if own and keeps_one else None
        with transaction.atomic():
            sign_in.end_sign_ins(person.user.id, except_family=kept.id if kept else None, now=self.clock.now)
        for one in own:
            one.has_ended |= one is not kept

    # --- Services

    @precondition(lambda self: self.status == OrganizationStatus.ACTIVE)
    @rule()
    def a_service_is_made(self) -> None:
        pairs = frozenset({("service_tokens", "create"), ("places", "read")})
        admin = Principal(PrincipalKind.PERSON, new_id(), "Ada", {self.school: Grant(self.school, "admin", pairs)})
        now = self.clock.now
        with tenant_scope([self.school]):
            token, secret = service_tokens.create(
                actor=admin,
                organization_id=self.school,
                name="Bells",
                scopes=["places:read"],
                expires_at=now + SERVICE,
                now=now,
            )
        access = _Access(Client(headers={"authorization": f"Bearer {secret}"}), now + SERVICE, None)
        self.services.append(_Service(token.id, access))

    @precondition(lambda self: any(not one.is_withdrawn for one in self.services))
    @rule()
    def a_service_is_withdrawn(self) -> None:
        service = next(one for one in self.services if not one.is_withdrawn)
        pairs = frozenset({("service_tokens", "delete")})
        admin = Principal(PrincipalKind.PERSON, new_id(), "Ada", {self.school: Grant(self.school, "admin", pairs)})
        with tenant_scope([self.school]):
            service_tokens.withdraw(actor=admin, organization_id=self.school, token_id=service.id)
        service.is_withdrawn = True

    # --- Changes by others

    @rule(which=WHICH, role=st.sampled_from(list(Role)))
    def a_role_changes(self, which: int, role: Role) -> None:
        person = self._person(which)
        with tenant_scope([self.school]):
            Membership.objects.filter(user_id=person.user.id).update(role=role)
        person.role = role if person.is_member else person.role

    @rule(which=WHICH)
    def a_membership_ends_or_begins(self, which: int) -> None:
        person = self._person(which)
        with tenant_scope([self.school]):
            if person.is_member:
                Membership.objects.filter(user_id=person.user.id).delete()
            else:
                memberships.add_membership(
                    actor=SYSTEM, user=person.user, organization_id=self.school, role=person.role
                )
        person.is_member = not person.is_member

    @rule(which=WHICH)
    def a_person_is_suspended_or_comes_back(self, which: int) -> None:
        person = self._person(which)
        person.is_active = not person.is_active
        status = UserStatus.ACTIVE if person.is_active else UserStatus.SUSPENDED
        User.objects.filter(pk=person.user.id).update(status=status)

    @rule(status=st.sampled_from(list(OrganizationStatus)))
    def the_organization_changes(self, status: OrganizationStatus) -> None:
        with tenant_scope([self.school]):
            Organization.objects.filter(pk=self.school).update(status=status)
        self.status = status

    @rule(stolen=st.booleans())
    def keys_rotate(self, stolen: bool) -> None:
        """Rotation signs no one out, unless the keys were stolen."""
        try:
            rotation.carry_out(rotation.plan(Path(self.folder.name), now=self.clock.now, stolen=stolen))
        except rotation.AlreadyRotated:
            assert not stolen
        self.generation += stolen

    @rule(seconds=st.sampled_from(STEPS))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += timedelta(seconds=seconds)

    # --- Invariant

    @invariant()
    def every_endpoint_responds_by_the_current_permissions(self) -> None:
        self.clock.now += timedelta(seconds=1)
        for of_one_kind in (self.accesses, self.browsers, [service.access for service in self.services]):
            for number, access in enumerate(reversed(of_one_kind)):
                expected = self._expected(access)
                if number < ALWAYS_CALLING or access.last_status != expected:
                    answer = access.client.get(f"/api/v1/organizations/{self.school}/tree")
                    assert answer.status_code == expected, (access, answer.content)
                    access.last_status = expected

    def _expected(self, access: _Access) -> int:
        signed_in = access.signed_in
        if signed_in is None:
            return self._expected_of_service(next(one for one in self.services if one.access is access))
        is_over = access.expires_at <= self.clock.now or signed_in.expires_at <= self.clock.now
        is_lost = access.generation is not None and access.generation < self.generation
        if is_over or is_lost or signed_in.has_ended or not signed_in.person.is_active:
            return 401
        if not signed_in.person.is_member or self.status == OrganizationStatus.DELETED:
            return 404
        if self.status == OrganizationStatus.SUSPENDED or signed_in.person.role not in READS_PLACES:
            return 403
        return 200

    def _expected_of_service(self, service: _Service) -> int:
        is_over = service.is_withdrawn or service.access.expires_at <= self.clock.now
        if is_over or self.status == OrganizationStatus.DELETED:
            return 401
        return 403 if self.status == OrganizationStatus.SUSPENDED else 200

    def _must_be_refused(self, presented: _Refresh) -> type[RefreshRefused] | None:
        now, signed_in = self.clock.now, presented.signed_in
        if signed_in.has_ended or not signed_in.person.is_active or presented.expires_at <= now:
            return RefreshRefused
        is_reused = presented.used_at is not None and now - presented.used_at > REUSE_GRACE
        return RefreshReused if is_reused else None

    # --- Helpers

    def _person(self, which: int) -> _Person:
        return self.people[which % len(self.people)]

    def _user(self) -> User:
        user = users.create_user(actor=SYSTEM, email=f"{new_id()}@school.example", password=None)
        memberships.add_membership(actor=SYSTEM, user=user, organization_id=self.school, role=Role.OPERATOR)
        return user

    def _principal(self, person: _Person) -> Principal:
        return Principal(PrincipalKind.PERSON, person.user.id, "Tess", {})

    def _signed_in(self, person: _Person, lifetime: timedelta) -> _SignedIn:
        """The sign-in that has just begun."""
        row = SignIn.objects.filter(user=person.user).latest("id")
        assert row.id not in {one.id for one in self.sign_ins}
        self.sign_ins.append(_SignedIn(person, row.id, self.clock.now + lifetime))
        return self.sign_ins[-1]

    def _given(self, token: str, signed_in: _SignedIn) -> None:
        client = Client(headers={"authorization": f"Bearer {token}"})
        self.accesses.append(_Access(client, self.clock.now + ACCESS, signed_in, self.generation))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with without_request_log():
        yield


def test_revoked_permissions_are_refused_after_a_second() -> None:
    run_state_machine_as_test(AccessMachine, settings=settings(max_examples=20, stateful_step_count=25))
