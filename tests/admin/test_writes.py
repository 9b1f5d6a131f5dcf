"""Writes in the admin go through the services, with the same limits, refusals and audit rows."""

from http import HTTPStatus
from uuid import UUID

import pytest
from django.contrib import admin as django_admin
from django.test import Client, RequestFactory

from apps.accounts.models import Invitation, Membership, MembershipScope, Role, SiteGrant, User
from apps.accounts.rights.grants import person_principal
from apps.alerts.models import Alert
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry, FeedEvent
from apps.tenancy.models import Building, Floor, Organization, Site
from apps.tenancy.organizations import organization_settings
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory
from tests.kit.trail import actions

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

OK = HTTPStatus.OK
SAVED = HTTPStatus.FOUND


@pytest.fixture
def admin(school: School) -> Client:
    return client_of(PersonFactory.create(role=Role.ADMIN, organization=school.organization).id)


def client_of(person: UUID) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=person))
    return client


def refused(school: School) -> list[str]:
    with tenant_scope([school.organization]):
        rows = AuditEntry.objects.filter(outcome="refused").order_by("at", "id")
        return [str(row.detail["code"]) for row in rows]


def site_of(school: School) -> Site:
    with tenant_scope([school.organization]):
        return Site.objects.get(id=school.site)


def site_form(**changed: str) -> dict[str, str]:
    return {"name": "Campus", "address": "400 Oak Street", "timezone": "UTC", **changed}


def test_change_writes_one_audit_row_and_one_feed_event(school: School, admin: Client) -> None:
    """A form that is saved without changes writes neither."""
    before, path = actions(school.organization), f"/admin/tenancy/site/{school.site}/change/"
    with tenant_scope([school.organization]):
        events = FeedEvent.objects.count()
    assert admin.post(path, site_form(name="North campus")).status_code == SAVED
    assert admin.post(path, site_form(name="North campus")).status_code == SAVED
    assert site_of(school).name == "North campus"
    assert actions(school.organization) == [*before, "site.updated"]
    with tenant_scope([school.organization]):
        assert FeedEvent.objects.count() == events + 1


def test_stale_form_does_not_overwrite_a_newer_change(school: School, admin: Client) -> None:
    path = f"/admin/tenancy/site/{school.site}/change/"
    form = admin.get(path).context["adminform"].form
    assert admin.post(path, site_form(name="Theirs")).status_code == SAVED
    answer = admin.post(path, site_form(name="Mine", seen=form["seen"].value()))
    assert answer.status_code == OK
    assert "changed since you read it" in answer.content.decode()
    assert site_of(school).name == "Theirs"


def test_form_has_the_limits_of_the_api(school: School, admin: Client) -> None:
    """An unknown time zone, a latitude beyond the pole, a number too large for its column."""
    path = f"/admin/tenancy/site/{school.site}/change/"
    for field, value in (("timezone", "Mars/Olympus"), ("latitude", "91")):
        answer = admin.post(path, site_form(**{field: value}))
        assert answer.status_code == OK
        assert answer.context["adminform"].form.errors[field]
    floor = {"building": str(school.building), "floor_number": str(2**31)}
    answer = admin.post("/admin/tenancy/floor/add/", floor)
    assert answer.context["adminform"].form.errors["floor_number"]
    assert site_of(school).timezone == "UTC"


def test_form_writes_nothing_while_it_validates(school: School) -> None:
    request = RequestFactory().post("/")
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with tenant_scope([school.organization]):
        request.principal = person_principal(person.id)  # type: ignore[attr-defined]
        site = Site.objects.get(id=school.site)
        page = django_admin.site.get_model_admin(Site)
        form = page.get_form(request, site, change=True)(site_form(name="North campus"), instance=site)
        assert form.is_valid() and form.changed_data
    assert site_of(school).name != "North campus"


def test_service_error_is_shown_at_its_field_and_keeps_the_input(school: School, admin: Client) -> None:
    with tenant_scope([school.organization]):
        number = str(Floor.objects.get(id=school.floor).floor_number)
    before = actions(school.organization)
    body = {"building": str(school.building), "floor_number": number, "name": "Mezzanine"}
    answer = admin.post("/admin/tenancy/floor/add/", body)
    assert answer.status_code == OK
    assert answer.context["adminform"].form.errors["floor_number"] == ["There is one with this number already."]
    assert "Mezzanine" in answer.content.decode()
    assert actions(school.organization) == before
    assert refused(school) == ["place_taken"]


def test_parent_of_another_school_cannot_be_selected(school: School, admin: Client) -> None:
    """Neither in the form nor in the URL."""
    other = SchoolFactory.create()
    body = {"site": str(other.site), "name": "Trojan", "floor_count": "1"}
    answer = admin.post("/admin/tenancy/building/add/", body)
    assert answer.status_code == OK
    assert answer.context["adminform"].form.errors["site"]
    assert admin.get(f"/admin/tenancy/building/add/?site={other.site}").status_code == HTTPStatus.NOT_FOUND
    with tenant_scope([other.organization]):
        assert not Building.objects.filter(name="Trojan").exists()


def test_places_of_another_school_cannot_be_selected_for_a_role(school: School, admin: Client) -> None:
    other, person = SchoolFactory.create(), PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    body = {"name": person.name, "role": "operator", "scope": "places", "sites": [str(other.site)]}
    answer = admin.post(f"/admin/accounts/user/{person.id}/change/", body)
    assert answer.status_code == OK
    assert answer.context["adminform"].form.errors["sites"]


def test_occupied_place_is_not_deleted_and_the_page_names_the_contents(school: School, admin: Client) -> None:
    answer = admin.post(f"/admin/tenancy/site/{school.site}/delete/", {"post": "yes"}, follow=True)
    assert "2 devices" in answer.content.decode()
    assert site_of(school)
    assert refused(school) == ["place_in_use"]


def test_settings_can_be_changed_within_their_limits(school: School, admin: Client) -> None:
    path = f"/admin/tenancy/organization/{school.organization}/change/"
    form = admin.get(path).context["adminform"].form
    values = {name: value for name in form.fields if (value := form[name].value()) not in (None, False)}
    before = actions(school.organization)
    answer = admin.post(path, {**values, "escalate_after_seconds": "5", "seen": ""})
    assert answer.context["adminform"].form.errors["escalate_after_seconds"]
    answer = admin.post(path, {**values, "two_person_types": ["fire"], "seen": ""})
    assert answer.context["adminform"].form.errors["two_person_types"]
    assert admin.post(path, {**values, "escalate_after_seconds": "60"}).status_code == SAVED
    with tenant_scope([school.organization]):
        stored = Organization.objects.get().settings
    assert organization_settings.read(stored).escalate_after_seconds == 60
    assert actions(school.organization) == [*before, "organization.settings_changed"]


def test_role_is_narrowed_to_places_in_one_change(school: School, admin: Client) -> None:
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    before = actions(school.organization)
    body = {"name": person.name, "role": "operator", "scope": "places", "sites": [str(school.site)]}
    assert admin.post(f"/admin/accounts/user/{person.id}/change/", body).status_code == SAVED
    with tenant_scope([school.organization]):
        assert Membership.objects.get(user_id=person.id).scope == MembershipScope.PLACES
        assert [*SiteGrant.objects.filter(user_id=person.id).values_list("content_object_id", flat=True)] == [
            school.site
        ]
    assert actions(school.organization) == [*before, "membership.changed"]


def test_last_administrator_cannot_be_removed(school: School) -> None:
    """Neither demoted nor removed, not even by themselves."""
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    client, path = client_of(person.id), f"/admin/accounts/user/{person.id}"
    answer = client.post(f"{path}/change/", {"name": person.name, "role": "viewer", "scope": "organization"})
    assert "last administrator" in answer.content.decode()
    assert "last administrator" in client.post(f"{path}/delete/", {"post": "yes"}, follow=True).content.decode()
    with tenant_scope([school.organization]):
        assert Membership.objects.get(user_id=person.id).role == Role.ADMIN


def test_person_of_two_schools_is_shown_without_data_of_the_other_school(school: School, admin: Client) -> None:
    """Only the membership here is ended; the account and the other school are not changed."""
    other = SchoolFactory.create()
    person = PersonFactory.create(role=Role.MANAGER, organizations=[school.organization, other.organization])
    with tenant_scope([other.organization]):
        Membership.objects.filter(user_id=person.id).update(title="Their secret title")
        Organization.objects.update(name="Riverside")
    path = f"/admin/accounts/user/{person.id}"
    for page in ("/admin/accounts/user/", f"{path}/change/", f"{path}/change/?organization={other.organization}"):
        text = admin.get(page).content.decode()
        assert "Their secret title" not in text and "Riverside" not in text
    assert admin.post(f"{path}/delete/?organization={other.organization}", {"post": "yes"}).status_code == SAVED
    with tenant_scope([school.organization, other.organization]):
        remaining = [row.organization_id for row in Membership.objects.filter(user_id=person.id)]
    assert remaining == [other.organization]
    assert User.objects.get(pk=person.id).is_active


def test_invitation_form_refuses_an_address_that_is_already_invited(school: School, admin: Client) -> None:
    body = {
        "organization": str(school.organization),
        "email": "nurse@school.example",
        "role": "viewer",
        "scope": "organization",
    }
    assert admin.post("/admin/accounts/invitation/add/", body).status_code == SAVED
    assert "invited already" in admin.post("/admin/accounts/invitation/add/", body).content.decode()
    with tenant_scope([school.organization]):
        assert Invitation.objects.count() == 1


def test_bulk_action_applies_only_to_alerts_of_the_callers_school(school: School) -> None:
    """Ids of another school in the form are ignored."""
    other = SchoolFactory.create()
    mine, theirs = [raise_alert(school), raise_alert(school, alert_type="fire")], raise_alert(other)
    operator = client_of(PersonFactory.create(role=Role.OPERATOR, organization=school.organization).id)
    before = actions(school.organization)
    chosen = [str(one) for one in (*mine, theirs)]
    answer = operator.post("/admin/alerts/alert/", {"action": "acknowledge", "index": "0", "_selected_action": chosen})
    assert answer.status_code == SAVED
    assert actions(school.organization) == [*before, "alert.acknowledge", "alert.acknowledge"]
    with tenant_scope([other.organization]):
        assert Alert.objects.get().status == "new"


def test_lockdown_needs_two_persons_to_end(school: School) -> None:
    alert = raise_alert(school, alert_type="lockdown")
    path = f"/admin/alerts/alert/{alert}/resolve/"
    pages = [
        client_of(PersonFactory.create(role=Role.OPERATOR, organization=school.organization).id)
        .post(path, follow=True)
        .content.decode()
        for _ in range(2)
    ]
    assert "1 of 2" in pages[0]
    with tenant_scope([school.organization]):
        assert Alert.objects.get().status == "resolved"


@pytest.mark.parametrize("how", ["session", "token"])
def test_write_without_csrf_token_is_refused(school: School, how: str) -> None:
    """A bearer token can read pages; a write needs the CSRF token, however the caller is authenticated."""
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    headers = {"authorization": f"Bearer {person.token}"} if how == "token" else {}
    client = Client(enforce_csrf_checks=True, headers=headers)
    if how == "session":
        client.force_login(User.objects.get(pk=person.id))
    path = f"/admin/tenancy/site/{school.site}/change/"
    page = client.get(path)
    assert client.post(path, site_form(name="Forged")).status_code == HTTPStatus.FORBIDDEN
    token = str(page.context["csrf_token"])
    assert client.post(path, site_form(name="Meant", csrfmiddlewaretoken=token)).status_code == SAVED
    assert site_of(school).name == "Meant"


@pytest.mark.parametrize(
    "query",
    ["digest__startswith=a", "organization__slug__startswith=s", "invited_by__isnull=0", "organization__settings=1"],
)
def test_list_cannot_be_filtered_by_hidden_columns(admin: Client, query: str) -> None:
    """Otherwise a reader of a list could guess a secret character by character."""
    assert admin.get(f"/admin/accounts/invitation/?{query}").status_code == HTTPStatus.BAD_REQUEST


def test_read_only_page_has_no_save_or_delete(school: School) -> None:
    """A manager can view a site, but not save or delete it."""
    manager = client_of(PersonFactory.create(role=Role.MANAGER, organization=school.organization).id)
    text = manager.get(f"/admin/tenancy/site/{school.site}/change/").content.decode()
    assert "Save" not in text and "Delete" not in text and "Campus" in text


@pytest.mark.parametrize("role", Role)
def test_index_page_has_no_jargon(school: School, role: Role) -> None:
    """The index for each role, also for a person with a password, has none of Django's own terms."""
    person = PersonFactory.create(role=role, organization=school.organization)
    user = User.objects.get(pk=person.id)
    user.set_password("correct horse battery staple")
    user.save(update_fields=["password"])
    text = client_of(person.id).get("/admin/").content.decode()
    words = text[text.index("<body") :]
    assert person.name in words
    for jargon in ("Tenancy", "Django", "Change password", "Users", "entrys", "View site"):
        assert jargon not in words
