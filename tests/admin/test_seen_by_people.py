"""Contents of admin and portal pages, compared with what happened."""

import re
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.accounts.models import Membership, MembershipScope, Role, User
from apps.alerts.models import Alert
from apps.common.db.scope import tenant_scope
from apps.devices.models import Device
from apps.devices.services import raise_trouble
from apps.tenancy.models import Organization, Room, Site
from tests.admin.test_pages import PAGES, address, browser, rows
from tests.kit.full_school import make_full_school
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]
HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def own(database: None) -> School:
    return make_full_school()


def text_of(answer: Any) -> str:
    """The text of a page without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_every_link_of_a_page_opens(own: School, page: Any) -> None:
    """The history of a row, and each choice of each filter."""
    client = browser(own, Role.ADMIN)
    [*_, newest] = rows(own, page)
    assert client.get(address(page, "history", newest.pk), follow=True).status_code == HTTPStatus.OK
    changelist = client.get(address(page, "changelist"))
    for spec in changelist.context["cl"].filter_specs:
        for choice in spec.choices(changelist.context["cl"]):
            assert client.get(address(page, "changelist") + choice["query_string"]).status_code == HTTPStatus.OK


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
@pytest.mark.parametrize("key", ["zzz", "0", "9" * 40, "00000000-0000-0000-0000-000000000000", "%00", "a/b"])
def test_url_of_unknown_row_is_not_found(own: School, page: Any, key: str) -> None:
    client = browser(own, Role.ADMIN)
    for name in page.pages & {"change", "delete", "history"}:
        path = address(page, name, "KEY").replace("KEY", key)
        assert client.get(path).status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}


@pytest.mark.parametrize("query", ["target_id=zzz", "outcome=zzz", "outcome__exact=done", "seq=1", "p=zzz"])
def test_audit_list_answers_any_query(own: School, query: str) -> None:
    answer = browser(own, Role.ADMIN).get(f"/admin/common/auditentry/?{query}", follow=True)
    assert answer.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label)
def test_columns_and_fields_do_not_raise(own: School, page: Any) -> None:
    """The theme shows the empty value where a method raises, so each is called by itself."""
    names = {*page.list_display, *page.readonly_fields}
    found = (getattr(page, name, None) for name in sorted(map(str, names)))
    methods = [method for method in found if callable(method)]
    request = RequestFactory().get("/")
    client = browser(own, Role.ADMIN)
    request.principal = client.get(address(page, "changelist")).wsgi_request.principal  # type: ignore[attr-defined]
    with tenant_scope([own.organization]):
        for row in page.get_queryset(request):
            for method in methods:
                method(row)


def test_alert_page_names_room_people_and_steps_in_the_time_of_the_school() -> None:
    school = SchoolFactory.create()
    with tenant_scope([school.organization]):
        Organization.objects.filter(id=school.organization).update(settings={"timezone": "America/Denver"})
        Room.objects.filter(id=school.room).update(room_number="214", name=None)
    alert_id = raise_alert(school, alert_type="fire")
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    person.client.put(f"/api/v1/alerts/{alert_id}/acknowledge")
    with tenant_scope([school.organization]):
        alert = Alert.objects.get(id=alert_id)
    client = Client()
    client.force_login(User.objects.get(pk=person.id))
    page = text_of(client.get(f"/admin/alerts/alert/{alert_id}/change/"))
    assert "Room 214" in page
    name = User.objects.get(pk=person.id).full_name
    assert f"Acknowledged by {name}" in page.replace(" : ", " ").replace(": ", " ")
    assert str(person.id) not in page
    assert alert.acknowledged_at is not None
    local = alert.acknowledged_at.astimezone(ZoneInfo("America/Denver"))
    assert f"{local:%H:%M:%S}: alert.acknowledged by {name}" in page


def test_trouble_that_a_silent_press_may_have_caused_is_hidden_from_operators() -> None:
    school = SchoolFactory.create()
    with tenant_scope([school.organization]):
        for kind in ("unreadable_press", "broker"):
            raise_trouble(
                organization_id=school.organization,
                gateway_id=school.gateway,
                device=None,
                kind=kind,
                detail=None,
                since=timezone.now(),
            )
    pages = {
        role: text_of(browser(school, role).get("/admin/devices/trouble/")) for role in (Role.ADMIN, Role.OPERATOR)
    }
    assert "unreadable_press" in pages[Role.ADMIN]
    assert "unreadable_press" not in pages[Role.OPERATOR]
    assert all("broker" in page for page in pages.values())


def test_device_page_shows_its_readings(own: School) -> None:
    with tenant_scope([own.organization]):
        device = Device.objects.filter(organization_id=own.organization).first()
    assert device is not None
    assert "signal" in text_of(browser(own, Role.ADMIN).get(f"/admin/devices/device/{device.pk}/change/"))


@pytest.mark.parametrize("path", ["/admin/", "/admin/alerts/alert/", "/admin/tenancy/site/add/"])
def test_admin_page_has_a_title_a_main_landmark_and_a_skip_link(own: School, path: str) -> None:
    """WCAG 2.2, 2.4.1 and 2.4.2."""
    page = browser(own, Role.ADMIN).get(path).content.decode()
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title and "SafeSignal" in title[1]
    assert len(re.findall(r"<main\b", page)) == 1
    assert re.search(r'<a href="#main"', page)


@pytest.mark.parametrize(
    ("scope", "ticked", "is_saved"),
    [
        (MembershipScope.PLACES, False, False),
        (MembershipScope.ORGANIZATION, True, False),
        (MembershipScope.PLACES, True, True),
        (MembershipScope.ORGANIZATION, False, True),
    ],
)
def test_selected_places_must_match_the_scope(scope: str, ticked: bool, is_saved: bool) -> None:
    school = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    form = {"name": "Sam Lee", "role": "viewer", "scope": scope, "sites": [str(school.site)] if ticked else []}
    answer = browser(school, Role.ADMIN).post(f"/admin/accounts/user/{person.id}/change/", form)
    assert (answer.status_code == HTTPStatus.FOUND) == is_saved
    with tenant_scope([school.organization]):
        role = Membership.objects.get(user_id=person.id, organization_id=school.organization).role
    assert (role == "viewer") == is_saved


def test_all_clear_for_several_alerts_asks_for_confirmation() -> None:
    school = SchoolFactory.create()
    alerts = [raise_alert(school, alert_type=kind) for kind in ("fire", "medical", "assist")]
    client = browser(school, Role.ADMIN)
    form: dict[str, Any] = {"action": "resolve", "_selected_action": [str(one) for one in alerts]}

    def statuses() -> set[str]:
        with tenant_scope([school.organization]):
            return set(Alert.objects.values_list("status", flat=True))

    page = client.post("/admin/alerts/alert/", form)
    assert (page.status_code, statuses()) == (HTTPStatus.OK, {"new"})
    assert all(kind in text_of(page) for kind in ("fire", "medical", "assist"))
    client.post("/admin/alerts/alert/", form | {"confirmed": "yes"})
    assert statuses() == {"resolved"}


@pytest.mark.parametrize(("headers", "media_type"), [(HTML, "text/html"), ({}, "application/problem+json")])
def test_internal_error_is_rendered_by_accepted_media_type(
    own: School, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], media_type: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(admin.site._registry[Site], "get_queryset", fail)
    client = browser(own, Role.ADMIN)
    client.raise_request_exception = False
    answer = client.get("/admin/tenancy/site/", headers=headers)
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert answer["Content-Type"].startswith(media_type)
    assert "Traceback" not in answer.content.decode()


def test_viewer_of_the_board_is_notified_of_an_alarm_without_details() -> None:
    """Never of a silent one."""
    school = SchoolFactory.create()
    viewer = browser(school, Role.VIEWER)
    raise_alert(school, silent=True)
    assert "does not show open alerts" in text_of(viewer.get("/board/"))
    raise_alert(school, alert_type="fire")
    page = viewer.get("/board/")
    assert "There is an alarm that you may not see" in text_of(page)
    assert "fire" not in text_of(page).lower()
    assert page["Refresh"]


def test_board_shows_a_message_to_person_without_a_place() -> None:
    school = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
    client = Client()
    client.force_login(User.objects.get(pk=person.id))
    assert "You have no place yet" in text_of(client.get("/board/"))
