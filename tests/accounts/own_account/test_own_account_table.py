"""Access of each kind of sign-in to its owner's account, for each row of the table in docs/threat-model.md."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import MembershipScope, PushRegistration, Role, User
from apps.accounts.own_account import push
from apps.accounts.people import day_accounts, memberships
from apps.accounts.people.memberships import RoleAt
from apps.accounts.rights.grants import person_principal
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from tests.accounts.identity_provider import Issuer
from tests.accounts.sso_school import School, google, through_app
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.routes import found_routes, shape
from tests.kit.second_factor import Api

pytestmark = pytest.mark.slow

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "threat-model.md"
ROW: Final = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) (/\S+) \| (\S.*?) \| (\S.*?) \| (\S.*?) \|$", re.MULTILINE)
BESIDES: Final = {"/auth/logout-all", "/auth/invitations/accept"}
"""Calls about the caller's own account that do not begin with `/me`."""


@dataclass(frozen=True)
class Row:
    method: str
    path: str
    password: str
    school: str
    day: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROWS: Final = [Row(*match.groups()) for match in ROW.finditer(DOCUMENT.read_text())]
BODIES: Final[dict[str, Callable[[], object]]] = {
    "PATCH /me": lambda: {"first_name": "Changed"},
    "DELETE /me": lambda: {"current_password": PASSWORD},
    "POST /me/password": lambda: {"current_password": PASSWORD, "password": "another horse battery staple"},
    "POST /me/email": lambda: {"current_password": PASSWORD, "email": "another@school.example"},
    "POST /me/phone": lambda: {"phone": "+12025550123"},
    "POST /me/phone/verify": lambda: {"verification": str(uuid4()), "code": "000000"},
    "POST /me/devices": lambda: {"token": secrets.token_hex(32), "platform": "ios", "app_version": "1"},
    "POST /me/confirmation": lambda: {"password": PASSWORD},
    "PUT /me/mfa/totp": lambda: {"enrolment": "x", "code": "000000"},
    "PUT /me/mfa/passkeys": lambda: {"enrolment": "x", "name": "x", "credential": {}},
    "POST /auth/invitations/accept": lambda: {"token": "unknown"},
}
"""A well-formed body for each call, so that only the caller can be the reason for a refusal."""
SECRETS: Final = {"sms_not_configured", "link_refused", "wrong_code", "not_found", "confirmation_required", "invalid"}
"""Refusals that do not depend on the kind of sign-in: the object does not exist, or a proof is missing."""
NO_PASSWORD: Final = {"no_password", "wrong_password", "confirmation_required", "invalid", "link_refused"}


def ask(api: Api, row: Row) -> Any:
    body = BODIES.get(str(row), lambda: None)()
    path = row.path.replace("{}", "1" if "passkeys" in row.path else str(uuid4()))
    return api.ask(row.method, path.removeprefix("/"), body)


def test_table_lists_every_call_about_the_own_account_once() -> None:
    there = {
        (method, shape(re.sub(r"<[^>]+>", "{}", route.path)).removeprefix("/api/v1"))
        for route in found_routes()
        if route.path.startswith("/api/v1/") and route.methods
        for method in route.methods
    }
    about_oneself = {(m, path) for m, path in there if path in BESIDES or path == "/me" or path.startswith("/me/")}
    assert sorted((row.method, row.path) for row in ROWS) == sorted(about_oneself)
    assert {row.password for row in ROWS} == {"all"}
    assert {row.school for row in ROWS} == {"its school's", "no"}
    assert {row.day for row in ROWS} == {"all", "no"}


@dataclass
class Both:
    """A person of two schools, who has signed in with their password and by the second school's provider."""

    person: Person
    whole: Api
    by_school: Api
    again_by_school: Api


@pytest.fixture
def both(school: School, issuer: Issuer) -> Both:
    person = AccountFactory.create()
    with tenant_scope([school.id]):
        memberships.add_membership(actor=SYSTEM, user=person.user, organization_id=school.id, role=Role.OPERATOR)
    User.objects.filter(pk=person.id).update(email=f"both@{school.domain}", phone="+12025550199", phone_verified=True)
    person.user.refresh_from_db()
    issuer.person = google(f"both@{school.domain}")
    pairs = [through_app(school)["access"] for _ in range(2)]
    first, second = (Api(person, school.address, access) for access in pairs)
    return Both(person, Api(person, school.address), first, second)


@pytest.mark.parametrize("row", [row for row in ROWS if row.school == "no"], ids=str)
def test_school_sign_in_is_refused_for_account_calls(both: Both, row: Row) -> None:
    answer = ask(both.by_school, row)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_by_single_sign_on")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_password_sign_in_is_not_refused_for_its_kind(person: Person, address: str, row: Row) -> None:
    answer = ask(Api(person, address), row)
    assert answer.status_code < 400 or answer.json()["code"] in SECRETS


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_day_code_sign_in_is_refused_only_for_calls_with_a_password(person: Person, address: str, row: Row) -> None:
    actor = person_principal(AccountFactory.create(role=Role.ADMIN, organization=person.organization).id)
    assert actor is not None
    with tenant_scope([person.organization]):
        _, code = day_accounts.create(
            actor=actor,
            organization_id=person.organization,
            first_name="Sub",
            last_name="Stitute",
            email=None,
            held=RoleAt(Role.OPERATOR, MembershipScope.ORGANIZATION),
            expires_at=None,
            now=timezone.now(),
        )
    pair = sign_in.login_for_the_day(code=code or "", address=address)
    answer = ask(Api(person, address, pair.access), row)
    if row.day == "no":
        assert answer.status_code >= 400 and answer.json()["code"] in NO_PASSWORD, answer.content
    else:
        assert answer.status_code < 400 or answer.json()["code"] in SECRETS, answer.content


def listed(api: Api, path: str) -> set[str]:
    return {one["id"] for one in api.ask("GET", path).json()["results"]}


def test_school_sign_in_reads_account_data_of_its_school_only(both: Both, school: School) -> None:
    answer = both.by_school.ask("GET", "me")
    assert [one["organization"]["id"] for one in answer.json()["memberships"]] == [str(school.id)]
    assert str(both.person.organization) not in answer.content.decode()
    assert (answer.json()["phone"], answer.json()["has_password"]) == (None, False)
    assert both.whole.ask("GET", "me").json()["phone"] == "+12025550199"


def test_school_sign_in_lists_and_ends_sign_ins_of_its_school_only(both: Both, school: School) -> None:
    everything = listed(both.whole, "me/sessions")
    of_school = listed(both.by_school, "me/sessions")
    assert len(of_school) == 2
    assert of_school < everything
    for beyond in everything - of_school:
        refused = both.by_school.ask("DELETE", f"me/sessions/{beyond}")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert both.by_school.ask("POST", "auth/logout-all").status_code == 204
    assert both.again_by_school.ask("GET", "me").status_code == 401
    assert listed(both.whole, "me/sessions") == everything - of_school


def test_school_sign_in_can_end_a_sign_in_of_its_school(both: Both) -> None:
    current = {one["id"] for one in both.again_by_school.ask("GET", "me/sessions").json()["results"] if one["current"]}
    assert both.by_school.ask("DELETE", f"me/sessions/{current.pop()}").status_code == 204
    assert both.again_by_school.ask("GET", "me").status_code == 401
    assert both.by_school.ask("GET", "me").status_code == 200


def register(api: Api, token: str) -> Any:
    answer = api.ask("POST", "me/devices", {"token": token, "platform": "ios", "app_version": "1"})
    assert answer.status_code in {200, 201}, answer.content
    return answer.json()["id"]


def reach(person: Person, token: str) -> set[UUID | None]:
    """The schools whose alerts are sent to this token; None: all of the person's."""
    rows = PushRegistration.objects.filter(user_id=person.id, token=token)
    return set(rows.values_list("only_organization", flat=True))


def test_school_sign_in_does_not_narrow_the_phone_of_the_account(both: Both, school: School) -> None:
    token = secrets.token_hex(32)
    whole = register(both.whole, token)
    of_school = register(both.by_school, token)
    assert whole != of_school
    assert reach(both.person, token) == {None, school.id}
    assert listed(both.by_school, "me/devices") == {of_school}
    assert both.by_school.ask("DELETE", f"me/devices/{whole}").status_code == 404
    assert both.by_school.ask("DELETE", f"me/devices/{of_school}").status_code == 204
    assert reach(both.person, token) == {None}


def test_school_sign_in_does_not_evict_the_phone_of_the_account(both: Both, school: School) -> None:
    phone = secrets.token_hex(32)
    register(both.whole, phone)
    for _ in range(push.MOST + 2):
        register(both.by_school, secrets.token_hex(32))
    assert reach(both.person, phone) == {None}
    assert len(listed(both.by_school, "me/devices")) == push.MOST
