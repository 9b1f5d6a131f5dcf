"""Day accounts for substitutes, which can only raise alarms and expire by themselves."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import RefreshRefused
from apps.accounts.mail.links import LinkRefused
from apps.accounts.models import Role, User
from apps.accounts.people.day_accounts import LONGEST, USUAL
from apps.accounts.rights.grants import person_principal
from apps.common.access import allows
from apps.common.db.ids import new_id
from apps.common.times import rfc3339
from tests.accounts.callers import anonymous_client, audited
from tests.kit import mailbox
from tests.kit.callers import send
from tests.kit.concurrency import at_once
from tests.kit.feed import published_ids
from tests.kit.people import PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow

SAM = {"first_name": "Sam", "last_name": "Quick"}


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


@pytest.fixture
def admin(school: School) -> Client:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization).client


@pytest.fixture
def path(school: School) -> str:
    return f"organizations/{school.organization}/day-accounts"


def create_day_account(admin: Client, path: str, **more: object) -> Any:
    answer = send(admin, "POST", path, SAM | more)
    assert answer.status_code == 201, answer.content
    return answer.json()


def app_of(code: str, address: str) -> tuple[Client, Any]:
    pair = send(anonymous_client(address), "POST", "auth/day", {"code": code})
    assert pair.status_code == 200, pair.content
    return Client(headers={"authorization": f"Bearer {pair.json()['access']}"}), pair.json()


def test_day_account_can_only_raise_alarms(school: School, admin: Client, path: str, address: str) -> None:
    account = create_day_account(admin, path)
    assert account["person"]["day_account"] and account["person"]["email"] is None
    app, _ = app_of(account["code"], address)
    principal = person_principal(UUID(account["person"]["id"]))
    assert principal is not None and allows(principal, school.organization, "alerts", "create")
    assert principal.grants[school.organization].permissions == {("alerts", "create")}
    for asked in (
        "alerts",
        "users",
        f"organizations/{school.organization}",
        f"organizations/{school.organization}/tree",
    ):
        assert problem(send(app, "GET", asked)) == (403, "forbidden"), asked


def test_day_code_is_returned_once_and_not_stored(admin: Client, path: str) -> None:
    key = {"idempotency-key": new_id().hex}
    answer = send(admin, "POST", path, SAM, **key)
    assert answer["Cache-Control"] == "no-store"
    code = answer.json()["code"]
    assert code not in send(admin, "GET", path).content.decode()
    assert problem(send(admin, "POST", path, SAM, **key)) == (409, "idempotency_answer_not_kept")
    assert len(send(admin, "GET", path).json()["results"]) == 1


def test_day_code_signs_in_once_ignoring_case_and_dashes(admin: Client, path: str, address: str) -> None:
    code = create_day_account(admin, path)["code"]
    app_of(code.lower().replace("-", ""), address)
    again = send(anonymous_client(address), "POST", "auth/day", {"code": code})
    assert problem(again) == (400, "link_refused") and list(again.json()["errors"]) == ["code"]


def test_day_code_signs_in_once_with_concurrent_requests(admin: Client, path: str, address: str) -> None:
    code = create_day_account(admin, path)["code"]

    def try_it() -> int:
        return int(send(anonymous_client(address), "POST", "auth/day", {"code": code}).status_code)

    assert sorted(at_once([try_it] * 4)) == [200, 400, 400, 400]


def test_day_account_sign_in_ends_at_expiry_despite_refreshes(admin: Client, path: str) -> None:
    now = timezone.now()
    account = create_day_account(admin, path, expires_at=rfc3339(now + timedelta(hours=2)))
    pair = sign_in.login_for_the_day(code=account["code"], address="2001:db8::7", now=now)
    for minutes in (10, 60, 110):
        pair = sign_in.refresh(token=pair.refresh, now=now + timedelta(minutes=minutes))
    with pytest.raises(RefreshRefused):
        sign_in.refresh(token=pair.refresh, now=now + timedelta(hours=2))
    principal = person_principal(UUID(account["person"]["id"]), now=now + timedelta(hours=2))
    assert principal is not None and not principal.grants


def test_day_code_is_refused_after_account_expiry(admin: Client, path: str) -> None:
    now = timezone.now()
    code = create_day_account(admin, path, expires_at=rfc3339(now + timedelta(hours=2)))["code"]
    with pytest.raises(LinkRefused):
        sign_in.login_for_the_day(code=code, address="2001:db8::7", now=now + timedelta(hours=2))


@pytest.mark.parametrize("term", [timedelta(), timedelta(hours=-1), LONGEST + timedelta(minutes=1)])
def test_day_account_is_not_created_with_expiry_out_of_bounds(admin: Client, path: str, term: timedelta) -> None:
    before = User.objects.count()
    answer = send(admin, "POST", path, SAM | {"expires_at": rfc3339(timezone.now() + term)})
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["expires_at"]
    assert User.objects.count() == before


def test_day_account_expires_after_a_working_day_by_default(admin: Client, path: str) -> None:
    account = create_day_account(admin, path)
    end = datetime.fromisoformat(account["person"]["expires_at"])
    assert abs(end - timezone.now() - USUAL) < timedelta(minutes=1)


def test_day_code_is_only_emailed_when_an_address_is_given(admin: Client, path: str, address: str) -> None:
    """An existing account with that address is not affected: the code signs in to the day account."""
    school = SchoolFactory.create()
    known = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    email = User.objects.get(pk=known.id).email
    account = create_day_account(admin, path, email=email)
    assert account["code"] is None and account["person"]["id"] != str(known.id)
    app, _ = app_of(mailbox.link(email, "day"), address)
    answer = send(app, "GET", f"users?organization={school.organization}")
    assert problem(answer) == (404, "not_found")
    assert User.objects.get(email=email).id == known.id


def test_ended_day_account_loses_its_tokens_and_code(school: School, admin: Client, path: str, address: str) -> None:
    used, unused = create_day_account(admin, path), create_day_account(admin, path)
    app, pair = app_of(used["code"], address)
    for account in (used, unused):
        assert send(admin, "DELETE", f"{path}/{account['person']['id']}").status_code == 204
    assert problem(send(app, "GET", "alerts")) == (401, "bad_token")
    refused = send(anonymous_client(address), "POST", "auth/refresh", {"refresh": pair["refresh"]})
    assert problem(refused) == (401, "refresh_refused")
    assert problem(send(anonymous_client(address), "POST", "auth/day", {"code": unused["code"]})) == (
        400,
        "link_refused",
    )
    assert send(admin, "GET", path).json()["results"] == []
    assert audited(used["person"]["id"], "membership.ended") == [("membership.ended", "person")]
    assert published_ids(school.organization, "people")[-2:] == [used["person"]["id"], unused["person"]["id"]]


def test_day_account_is_listed_as_person_and_cannot_change_role(school: School, admin: Client, path: str) -> None:
    id_ = create_day_account(admin, path)["person"]["id"]
    assert id_ in [one["id"] for one in send(admin, "GET", "users?search=sam quick").json()["results"]]
    assert send(admin, "GET", "users?search=.invalid").json()["results"] == []
    answer = send(admin, "PATCH", f"users/{id_}/organizations/{school.organization}", {"role": "admin"})
    assert problem(answer) == (409, "day_account")


def test_day_account_with_place_scope_raises_alarms_only_there(school: School, admin: Client, path: str) -> None:
    account = create_day_account(admin, path, scope="places", places={"buildings": [str(school.building)]})
    principal = person_principal(UUID(account["person"]["id"]))
    assert principal is not None
    assert allows(principal, school.organization, "alerts", "create", school.building)
    assert not allows(principal, school.organization, "alerts", "create", school.other_building)


def test_other_accounts_cannot_be_ended_as_day_accounts(school: School, admin: Client, path: str) -> None:
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    stranger = create_day_account(
        PersonFactory.create(role=Role.ADMIN, organization=(other := SchoolFactory.create()).organization).client,
        f"organizations/{other.organization}/day-accounts",
    )["person"]["id"]
    for one in (person.id, stranger, new_id()):
        assert problem(send(admin, "DELETE", f"{path}/{one}")) == (404, "not_found")
    assert User.objects.get(pk=stranger).is_active
