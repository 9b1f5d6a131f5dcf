"""Second factors required of administrators and super admins, without locking anyone out."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Role, User
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization
from tests.accounts.production import in_production
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.second_factor import Api, code

pytestmark = pytest.mark.slow

PAGE = "/account/second-factor/"


def browser_of(person: Person, address: str) -> tuple[Client, Any]:
    """A browser that has just submitted the person's password, and the response to it."""
    browser = Client(REMOTE_ADDR=address)
    return browser, browser.post("/login/", {"email": person.email, "password": PASSWORD, "next": "/board/?x=1"})


def require_second_factor(person: Person) -> None:
    with tenant_scope([person.organization]):
        Organization.objects.update(settings={"mfa_required_for_admins": True})


def set_up(browser: Client) -> list[str]:
    """Go through all steps of the page and return the recovery codes."""
    scan = browser.post(PAGE, {"password": PASSWORD, "next": "/board/?x=1"})
    begun = scan.context["begun"]
    wrong = browser.post(PAGE, {"enrolment": begun.enrolment, "code": "000000", "next": "/board/?x=1"})
    assert "not the current code" in wrong.content.decode()
    assert wrong.context["begun"].secret == begun.secret
    done = browser.post(PAGE, {"enrolment": begun.enrolment, "code": code(begun.secret), "next": "/board/?x=1"})
    text = done.content.decode()
    assert 'href="/board/?x=1"' in text
    return re.findall(r"<code>(\S+)</code>", text)


# --- Administrators --------------------------------------------------------------------------------------------------


def test_admin_without_second_factor_cannot_require_one(address: str) -> None:
    admin = AccountFactory.create(role=Role.ADMIN)
    api, settings = Api(admin, address), f"organizations/{admin.organization}/settings"
    refused = api.ask("PATCH", settings, {"mfa_required_for_admins": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "own_second_factor_first")
    assert api.ask("GET", settings).json()["mfa_required_for_admins"] is False
    assert api.ask("PATCH", settings, {"legal_hold": True}).status_code == 200
    api.set_up_totp()
    assert api.ask("PATCH", settings, {"mfa_required_for_admins": True}).status_code == 200
    assert api.ask("GET", settings).json()["mfa_required_for_admins"] is True


def test_admin_without_second_factor_is_redirected_to_setup_at_sign_in(address: str) -> None:
    admin = AccountFactory.create(role=Role.ADMIN)
    require_second_factor(admin)
    browser, answer = browser_of(admin, address)
    assert answer.status_code == 302
    target = urlsplit(answer["Location"])
    assert (target.path, parse_qs(target.query)) == (PAGE, {"next": ["/board/?x=1"]})
    page = browser.get(answer["Location"])
    assert "You need a second factor" in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    assert browser.get("/board/").status_code == 200, "alarms are visible and can be answered without one"
    settings = f"/api/v1/organizations/{admin.organization}/settings"
    assert browser.get(settings).json()["code"] == "second_factor_needed"
    assert len(set_up(browser)) == 10
    assert browser.get(settings).status_code == 200
    _, again = browser_of(admin, address)
    assert "authenticator app" in again.content.decode()


def test_person_without_requirement_is_not_redirected_to_setup(address: str) -> None:
    for role in Role:
        person = AccountFactory.create(role=role)
        _, answer = browser_of(person, address)
        assert answer["Location"] == "/board/?x=1"
    manager = AccountFactory.create(role=Role.MANAGER)
    require_second_factor(manager)
    assert browser_of(manager, address)[1]["Location"] == "/board/?x=1"


def test_page_sets_up_an_authenticator_app_for_any_person(person: Person, address: str) -> None:
    browser, _ = browser_of(person, address)
    assert "You need a second factor" not in browser.get(PAGE).content.decode()
    wrong = browser.post(PAGE, {"password": "wrong"})
    assert "not your password" in wrong.content.decode()
    scan = browser.post(PAGE, {"password": PASSWORD}).content.decode()
    assert "<svg" in scan
    assert " style=" not in scan, "the content security policy forbids inline styles"
    assert "too long" in browser.post(PAGE, {"enrolment": "made up", "code": "000000"}).content.decode()
    assert len(set_up(browser)) == 10
    assert "is set up for your account" in browser.get(PAGE).content.decode()
    assert "is set up for your account" in browser.post(PAGE, {"password": PASSWORD}).content.decode()


def test_page_links_only_within_this_host(person: Person, address: str) -> None:
    browser, _ = browser_of(person, address)
    for target in ("https://evil.example/", "//evil.example", "foo", "javascript:alert(1)"):
        text = browser.get(PAGE, {"next": target}).content.decode()
        assert "evil" not in text
        assert "javascript" not in text
        assert 'href="/board/"' in text


def test_page_requires_sign_in(address: str) -> None:
    answer = Client(REMOTE_ADDR=address).get(PAGE)
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=%2Faccount%2Fsecond-factor%2F")


# --- Super admins ----------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(settings: Settings) -> None:
    """As in production."""
    settings.OPERATORS_NEED_SECOND_FACTOR = True


@pytest.fixture
def operator() -> Person:
    person = AccountFactory.create(role=Role.VIEWER)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    return person


@pytest.mark.usefixtures("strict")
def test_super_admin_cannot_act_before_a_second_factor_is_set_up(operator: Person, address: str) -> None:
    school = AccountFactory.create(role=Role.ADMIN).organization
    api = Api(operator, address)
    visits, look = f"organizations/{school}/visits", {"reason": "Asked by the school."}
    for method, path, body in (
        ("GET", "permissions", None),
        ("PUT", f"organizations/{school}/identity-domains/some.example", {}),
        ("POST", visits, look),
    ):
        refused = api.ask(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_needed"), path
    assert api.ask("GET", f"organizations/{school}").status_code == 404
    assert api.ask("GET", "me").json()["is_super_admin"] is True
    api.set_up_totp()
    assert api.ask("GET", "permissions").status_code == 200
    assert api.ask("GET", f"organizations/{school}").status_code == 200


@pytest.mark.usefixtures("strict")
def test_visit_gives_no_access_after_the_second_factor_is_removed(operator: Person, address: str) -> None:
    school = AccountFactory.create(role=Role.ADMIN).organization
    api = Api(operator, address)
    api.set_up_totp()
    begun = api.ask("POST", f"organizations/{school}/visits", {"reason": "Asked by the school."})
    assert begun.status_code == 201, begun.content
    assert api.ask("GET", f"organizations/{school}/settings").status_code == 200
    assert api.confirmed("DELETE", "me/mfa/totp").status_code == 204
    assert api.ask("GET", f"organizations/{school}/settings").status_code in {403, 404}
    assert api.ask("GET", f"alerts?organization={school}").status_code in {403, 404}


@pytest.mark.usefixtures("strict")
def test_super_admin_without_second_factor_is_redirected_to_setup_at_sign_in(operator: Person, address: str) -> None:
    browser, answer = browser_of(operator, address)
    assert urlsplit(answer["Location"]).path == PAGE
    assert browser.get("/api/v1/permissions").json()["code"] == "second_factor_needed"
    set_up(browser)
    assert browser.get("/api/v1/permissions").status_code == 200


@pytest.mark.usefixtures("strict")
def test_super_admin_keeps_own_membership_without_second_factor(operator: Person, address: str) -> None:
    api = Api(operator, address)
    assert api.ask("GET", f"organizations/{operator.organization}").status_code == 200


def test_production_requires_second_factor_of_super_admins() -> None:
    refused = in_production("settings.DEBUG", SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR="false")
    assert refused.returncode != 0
    assert "SAFESIGNAL_OPERATORS_NEED_SECOND_FACTOR can not be switched off in production" in refused.stderr
    assert in_production("print(settings.OPERATORS_NEED_SECOND_FACTOR)").stdout.strip() == "True"
