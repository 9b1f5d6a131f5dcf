"""The admin is one more door: the same rights, and nothing of another organization whatever address is typed."""

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
from tests.cloud.full_school import make_full_school
from tests.cloud.school import School, make_person, make_school, raise_alert

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

WITHOUT_A_PAGE = {
    "accounts.BuildingGrant": "a part of the person's page: where their role holds",
    "accounts.ExternalIdentity": "whom a provider named: made by signing in alone",
    "accounts.IdentityDomain": "noted by who runs the platform, through the API",
    "accounts.IdentityProvider": "with a secret that is written and never shown: the API's",
    "accounts.Membership": "what the person's page shows and changes (Django's admin takes no composite key)",
    "accounts.Permission": "the table of roles belongs to no organization: who runs the platform edits it by the API",
    "accounts.Proof": "a secret's digest: only its owner has to do with it",
    "accounts.PushRegistration": "a person's own: where they are told of alerts is not their school's to see",
    "accounts.ServiceToken": "a secret that is told once, to whoever makes it: the API",
    "accounts.SignIn": "one's own sessions are listed by the API",
    "accounts.RefreshToken": "a secret's digest: one's own sessions are listed by the API",
    "accounts.SignInChallenge": "a secret's digest, for some minutes",
    "accounts.SiteGrant": "a part of the person's page: where their role holds",
    "alerts.AlertEvent": "the story on the alert's page",
    "alerts.AlertKey": "the names of presses: how a repeat is known",
    "alerts.AlertNote": "the notes on the alert's page",
    "alerts.DrillArm": "an armed button stands on the board as long as it is armed, and in the API",
    "common.AuditPersonal": "personal values beside the trail, for who may see the trail's entry",
    "common.FeedEvent": "the outbox: what it says is said by the rows themselves",
    "common.IdempotencyKey": "the answer to a write, for its sender alone",
    "common.OrganizationHead": "a counter",
    "devices.DeviceClaim": "codes of boxes, which nobody reads: `manage.py load_device_claims`",
    "devices.DeviceMetric": "the readings on the device's page",
    "devices.GatewayAssertion": "single-use identifiers: how a replay is known",
    "devices.GatewayBuilding": "a part of the gateway's page (composite key)",
    "devices.GatewayEvent": "what arrived, word for word: its meaning is in alerts and troubles",
}
"""Models of ours that have no page of their own, each with the reason."""

PAGES = sorted(admin.site._registry.values(), key=lambda page: page.opts.label)


def address(page: Any, name: str, *args: object) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}", args=args)


def browser(school: School, role: Role) -> Client:
    person = make_person(role, school.organization)
    client = Client()
    client.force_login(User.objects.get(pk=person.id))
    return client


def rows(school: School, page: Any) -> Iterator[Model]:
    """Of the school, the newest last."""
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


def test_nobody_is_sent_to_the_sign_in_page_and_comes_back() -> None:
    answer = Client().get("/admin/alerts/alert/", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/alerts/alert/"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_a_role_opens_the_pages_that_the_table_gives_it(own: School, role: Role, page: Any) -> None:
    may = f"{page.resource}:read" in permissions()[role]
    answer = browser(own, role).get(address(page, "changelist"))
    assert answer.status_code == (HTTPStatus.OK if may else HTTPStatus.FORBIDDEN)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_nothing_of_another_organization_is_shown_or_touched(own: School, foreign: School, page: Any) -> None:
    """Lists, rows, forms and their results; the answer for a foreign row is that for one that is not there."""
    client = browser(own, Role.ADMIN)
    listed = client.get(address(page, "changelist")).content.decode()
    theirs = list(rows(foreign, page))
    before = [row.__dict__.copy() for row in theirs]
    assert theirs, "the other school has something to hide"
    for row in theirs:
        assert str(row.pk) not in listed
        for name in page.pages & {"change", "delete", "history"}:
            for answer in (client.get(address(page, name, row.pk)), client.post(address(page, name, row.pk), {})):
                assert answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    for was, row in zip(before, rows(foreign, page), strict=True):
        assert {**was, "_state": None} == {**row.__dict__, "_state": None}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_ones_own_rows_are_shown(own: School, page: Any) -> None:
    client = browser(own, Role.ADMIN)
    [*_, newest] = rows(own, page)
    named = f"?q={newest.email}" if isinstance(newest, User) else ""  # people are listed by address, a page at a time
    assert str(newest.pk) in client.get(f"{address(page, 'changelist')}{named}").content.decode()
    assert client.get(address(page, "change", newest.pk)).status_code == HTTPStatus.OK


def test_a_silent_alert_is_not_in_the_list_of_an_operator() -> None:
    """Nor an open one in a viewer's."""
    school = make_school()
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
