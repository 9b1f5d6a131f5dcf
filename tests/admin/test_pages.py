"""Admin pages: the same permissions as the API, and nothing of another organization at any URL."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Role, User
from apps.common.db.scope import tenant_scope
from contracts import permissions
from tests.kit.full_school import make_full_school
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

WITHOUT_A_PAGE = {
    "accounts.BuildingGrant": "a part of the person's page: where their role holds",
    "accounts.ExternalIdentity": "a person's id at a provider: created only by signing in",
    "accounts.IdentityDomain": "entered by platform operators through the API",
    "accounts.IdentityProvider": "has a secret that is never displayed: only in the API",
    "accounts.Membership": "what the person's page shows and changes (Django's admin takes no composite key)",
    "accounts.Permission": "the table of roles belongs to no organization: only super admins change it, in the API",
    "accounts.Proof": "a secret's digest, for its owner only",
    "accounts.PushRegistration": "the person's own: a school cannot see where its people receive alerts",
    "accounts.ServiceToken": "has a secret that is returned only once, on creation: only in the API",
    "accounts.SignIn": "the API lists a person's own sessions",
    "accounts.RefreshToken": "a secret's digest: the API lists a person's own sessions",
    "accounts.SignInChallenge": "a secret's digest, for some minutes",
    "accounts.SiteGrant": "a part of the person's page: where their role holds",
    "alerts.AlertEvent": "the timeline on the alert's page",
    "alerts.AlertKey": "names of presses, to recognize repeats",
    "alerts.AlertNote": "the notes on the alert's page",
    "alerts.DrillArm": "an armed button is on the board while it is armed, and in the API",
    "common.AuditPersonal": "personal values beside the trail, for who may see the trail's entry",
    "common.FeedEvent": "the outbox: the rows themselves contain the same",
    "common.IdempotencyKey": "the answer to a write, for its sender alone",
    "common.OrganizationHead": "a counter",
    "devices.DeviceClaim": "hashed codes of boxes: `manage.py load_device_claims`",
    "devices.DeviceMetric": "the readings on the device's page",
    "devices.GatewayAssertion": "single-use identifiers, to recognize replays",
    "devices.GatewayBuilding": "a part of the gateway's page (composite key)",
    "devices.GatewayEvent": "events as received: their effects are alerts and troubles",
}
"""Models of this project without a page of their own, each with the reason."""

PAGES = sorted(admin.site._registry.values(), key=lambda page: page.opts.label)


def address(page: Any, name: str, *args: object) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}", args=args)


def browser(school: School, role: Role) -> Client:
    person = PersonFactory.create(role=role, organization=school.organization)
    client = Client()
    client.force_login(User.objects.get(pk=person.id))
    return client


def rows(school: School, page: Any) -> Iterator[Model]:
    """Rows of the school, the newest last."""
    with tenant_scope([school.organization]):
        found = page.model._default_manager.order_by("pk")
        if page.model is User:
            found = found.filter(memberships__organization_id=school.organization)
        yield from found


@pytest.fixture(scope="module")
def foreign(database: None) -> School:
    return make_full_school()


@pytest.fixture(scope="module")
def own(database: None) -> School:
    return make_full_school()


def test_every_model_has_a_page_or_a_reason() -> None:
    """A new model fails here until it has one of the two."""
    ours = {model._meta.label for model in apps.get_models() if model.__module__.startswith("apps.")}
    assert ours - {page.opts.label for page in PAGES} == WITHOUT_A_PAGE.keys()


def test_anonymous_request_is_redirected_to_sign_in_with_next() -> None:
    answer = Client().get("/admin/alerts/alert/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/alerts/alert/"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_role_can_open_only_pages_it_may_read(own: School, role: Role, page: Any) -> None:
    may = f"{page.resource}:read" in permissions()[role]
    answer = browser(own, role).get(address(page, "changelist"))
    assert answer.status_code == (HTTPStatus.OK if may else HTTPStatus.FORBIDDEN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_rows_of_another_organization_are_not_found_or_changed(own: School, foreign: School, page: Any) -> None:
    """Lists, rows, forms and their results; the response for a foreign row is that for an unknown one."""
    client = browser(own, Role.ADMIN)
    listed = client.get(address(page, "changelist")).content.decode()
    theirs = list(rows(foreign, page))
    before = [row.__dict__.copy() for row in theirs]
    assert theirs, "the other school has rows"
    for row in theirs:
        assert str(row.pk) not in listed
        for name in page.pages & {"change", "delete", "history"}:
            for answer in (client.get(address(page, name, row.pk)), client.post(address(page, name, row.pk), {})):
                assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    for was, row in zip(before, rows(foreign, page), strict=True):
        assert {**was, "_state": None} == {**row.__dict__, "_state": None}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_rows_of_own_organization_are_shown(own: School, page: Any) -> None:
    client = browser(own, Role.ADMIN)
    [*_, newest] = rows(own, page)
    named = f"?q={newest.email}" if isinstance(newest, User) else ""  # people are listed by address, a page at a time
    assert str(newest.pk) in client.get(f"{address(page, 'changelist')}{named}").content.decode()
    assert client.get(address(page, "change", newest.pk)).status_code == HTTPStatus.OK


def test_silent_alert_is_not_listed_for_an_operator() -> None:
    """Nor is an open one listed for a viewer."""
    school = SchoolFactory.create()
    silent, open_alert = raise_alert(school, silent=True), raise_alert(school, alert_type="fire")
    seen = {
        role: [
            str(alert) in browser(school, role).get("/admin/alerts/alert/").content.decode()
            for alert in (silent, open_alert)
        ]
        for role in Role
    }
    assert seen == {
        Role.ADMIN: [True, True],
        Role.MANAGER: [True, True],
        Role.OPERATOR: [False, True],
        Role.VIEWER: [False, False],
    }
