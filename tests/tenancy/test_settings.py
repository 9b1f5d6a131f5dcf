"""Settings of an organization, with limits so that no value can silence an alarm."""

from typing import Any
from uuid import uuid4
from zoneinfo import available_timezones

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Role
from apps.common.db.scope import tenant_scope
from apps.common.problems import Invalid
from apps.tenancy.models import Organization
from apps.tenancy.organizations import organization_settings
from apps.tenancy.organizations.organization_settings import OrganizationSettings
from contracts import alert_types
from tests.kit.callers import Caller, JsonObject, document, member
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.refusals import refused
from tests.kit.school import School
from tests.kit.trail import actions

pytestmark = pytest.mark.slow

DEFAULTS: JsonObject = {
    "timezone": "UTC",
    "locale": "en-US",
    "cancel_window_seconds": 10,
    "two_person_types": ["lockdown"],
    "responder_policy": "direct",
    "responder_policy_by_site": {},
    "responder_confirm_seconds": 30,
    "escalate_after_seconds": 120,
    "retention_years": None,
    "legal_hold": False,
    "viewers_see_open_alerts": False,
    "open_registration": False,
    "mfa_required_for_admins": False,
}
ALLOWED: dict[str, st.SearchStrategy[Any]] = {
    "timezone": st.sampled_from(sorted(available_timezones())),
    "locale": st.sampled_from(["en", "en-US", "es-US", "de-DE", "pt-BR"]),
    "cancel_window_seconds": st.integers(0, 30),
    "two_person_types": st.sets(st.sampled_from([one.type for one in alert_types()])).map(
        lambda types: sorted(types | {"lockdown"})
    ),
    "responder_policy": st.sampled_from(["direct", "confirm"]),
    "responder_policy_by_site": st.dictionaries(
        st.uuids().map(str), st.sampled_from(["direct", "confirm"]), max_size=5
    ),
    "responder_confirm_seconds": st.integers(5, 120),
    "escalate_after_seconds": st.integers(30, 900),
    "retention_years": st.none() | st.integers(2, 100),
    "legal_hold": st.booleans(),
    "viewers_see_open_alerts": st.booleans(),
    "open_registration": st.booleans(),
    "mfa_required_for_admins": st.booleans(),
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
changes_within_limits = st.fixed_dictionaries({}, optional=ALLOWED)
attempt = st.fixed_dictionaries({}, optional={name: values | anything for name, values in ALLOWED.items()})


def path_of(school: School) -> str:
    return f"organizations/{school.organization}/settings"


def test_school_has_the_default_settings(school: School, admin: Caller) -> None:
    assert admin.read(path_of(school)) == DEFAULTS


def test_each_setting_has_a_description_and_a_default() -> None:
    """The OpenAPI document is generated from the typed settings, including ones added later."""
    ((_, schema),) = msgspec.json.schema_components([OrganizationSettings])[1].items()
    assert schema["properties"].keys() == DEFAULTS.keys() == ALLOWED.keys()
    for name, setting in schema["properties"].items():
        assert setting["description"], name
        assert setting["default"] == DEFAULTS[name], name


def test_change_keeps_other_settings_and_is_audited(school: School, admin: Caller) -> None:
    changed = document(admin.patch(path_of(school), {"timezone": "America/Chicago", "legal_hold": True}))
    assert changed == DEFAULTS | {"timezone": "America/Chicago", "legal_hold": True}
    assert admin.read(path_of(school)) == changed
    assert actions(school.organization)[-1] == "organization.settings_changed"


def test_setting_can_be_reset_to_its_default(school: School, admin: Caller) -> None:
    admin.patch(path_of(school), {"retention_years": 7})
    assert document(admin.patch(path_of(school), {"retention_years": None})) == DEFAULTS
    with tenant_scope([school.organization]):
        assert Organization.objects.get().settings == {}


@pytest.mark.parametrize("role", [Role.MANAGER, Role.OPERATOR, Role.VIEWER])
def test_only_admins_can_change_settings(school: School, role: Role) -> None:
    caller = member(role, school)
    refused(caller.patch(path_of(school), {"legal_hold": True}), 403, "forbidden")
    assert caller.read(path_of(school)) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", "America/Springfield"),
        ("timezone", 5),
        ("timezone", "x" * 51),
        ("locale", "english"),
        ("locale", "en-us"),
        ("cancel_window_seconds", -1),
        ("cancel_window_seconds", 31),
        ("cancel_window_seconds", "10"),
        ("cancel_window_seconds", True),
        ("two_person_types", []),
        ("two_person_types", ["fire"]),
        ("two_person_types", ["lockdown", "earthquake"]),
        ("two_person_types", None),
        ("responder_policy", "never"),
        ("responder_policy_by_site", {"not an id": "direct"}),
        ("responder_policy_by_site", {str(uuid4()): "never"}),
        ("responder_confirm_seconds", 4),
        ("responder_confirm_seconds", 121),
        ("escalate_after_seconds", 29),
        ("escalate_after_seconds", 901),
        ("escalate_after_seconds", None),
        ("retention_years", 1),
        ("legal_hold", "yes"),
        ("legal_hold", 1),
        ("silence_everything", True),
    ],
)
def test_value_out_of_limits_is_refused_by_field(school: School, admin: Caller, name: str, value: object) -> None:
    """Together with the valid values beside it: the change is refused as a whole."""
    answer = admin.patch(path_of(school), {"locale": "de-DE"} | {name: value})
    assert set(refused(answer, 400, "invalid")["errors"]) == {name}
    assert admin.read(path_of(school)) == DEFAULTS


@pytest.mark.parametrize("body", [[], "x", 5, None])
def test_body_that_is_not_an_object_changes_nothing(school: School, admin: Caller, body: object) -> None:
    assert admin.patch(path_of(school), body).status_code == 400
    assert admin.read(path_of(school)) == DEFAULTS


def test_stale_change_of_settings_is_refused(school: School, admin: Caller) -> None:
    seen = admin.get(path_of(school))["ETag"]
    document(admin.patch(path_of(school), {"legal_hold": True}, if_match=seen))
    refused(admin.patch(path_of(school), {"legal_hold": False}, if_match=seen), 412, "precondition_failed")
    assert admin.read(path_of(school))["legal_hold"] is True


@given(changes_within_limits)
def test_allowed_values_are_read_back_unchanged(changes: JsonObject) -> None:
    after = organization_settings.changed(OrganizationSettings(), changes)
    assert organization_settings.read(after.stored()) == after
    assert {name: after.document()[name] for name in changes} == changes


@given(st.lists(attempt, max_size=4))
def test_no_change_silences_an_alarm(attempts: list[JsonObject]) -> None:
    """After any changes in any order: a lockdown needs two persons, unacknowledged alerts escalate within 15 minutes,
    responders are notified within two, and an alert can be cancelled for half a minute at the most.
    """
    held = OrganizationSettings()
    for changes in attempts:
        try:
            held = organization_settings.changed(held, changes)
        except Invalid:
            continue
        assert_floors(held)
    assert_floors(organization_settings.read(held.stored()))


@given(st.dictionaries(st.sampled_from([*sorted(DEFAULTS), "of an older version"]), anything))
def test_any_stored_settings_can_be_read(stored: JsonObject) -> None:
    """Settings stored by another version, or beyond limits narrowed later, do not prevent an alert."""
    assert_floors(organization_settings.read(stored))


def assert_floors(held: OrganizationSettings) -> None:
    assert "lockdown" in held.two_person_types
    assert held.escalate_after_seconds <= 900
    assert held.responder_confirm_seconds <= 120
    assert held.cancel_window_seconds <= 30
    assert held.timezone in available_timezones()


def test_site_without_time_zone_has_that_of_the_school(school: School, admin: Caller) -> None:
    admin.patch(path_of(school), {"timezone": "America/Chicago"})
    sites = f"organizations/{school.organization}/sites"
    made = document(admin.post(sites, {"name": "East"}), 201)
    assert made["timezone"] == "America/Chicago"
    assert document(admin.post(sites, {"name": "West", "timezone": "America/Denver"}), 201)["timezone"] == (
        "America/Denver"
    )
    path = f"sites/{made['id']}"
    assert document(admin.patch(path, {"timezone": "America/Denver"}))["timezone"] == "America/Denver"
    assert document(admin.put(path, {"name": "East"}))["timezone"] == "America/Chicago"


def approvals_needed(school: School, alert_type: str) -> int:
    """The number of persons needed to resolve an alert of this type."""
    alert = raise_alert(school, alert_type=alert_type)
    people = [PersonFactory.create(role=Role.ADMIN, organization=school.organization) for _ in range(2)]
    for count, person in enumerate(people, start=1):
        answer = person.client.put(f"/api/v1/alerts/{alert}/resolve")
        if answer.status_code == 200:
            return count
        assert answer.status_code == 202, answer.content
    raise AssertionError("two persons do not resolve it")


def test_configured_alert_types_need_two_persons_to_resolve(school: School, admin: Caller) -> None:
    assert (approvals_needed(school, "fire"), approvals_needed(school, "lockdown")) == (1, 2)
    document(admin.patch(path_of(school), {"two_person_types": ["fire", "lockdown"]}))
    assert (approvals_needed(school, "fire"), approvals_needed(school, "medical")) == (2, 1)
    document(admin.patch(path_of(school), {"two_person_types": ["lockdown"]}))
    assert (approvals_needed(school, "fire"), approvals_needed(school, "lockdown")) == (1, 2)


def test_viewers_can_read_open_alerts_when_enabled(school: School, admin: Caller) -> None:
    """Redacted like closed ones, and without silent ones."""
    viewer = member(Role.VIEWER, school)
    alert, silent = raise_alert(school), raise_alert(school, silent=True)
    admin.put(f"alerts/{alert}/acknowledge")
    assert viewer.read("alerts")["results"] == []
    refused(viewer.get(f"alerts/{alert}"), 404, "alert_not_found")
    document(admin.patch(path_of(school), {"viewers_see_open_alerts": True}))
    assert [one["id"] for one in viewer.read("alerts")["results"]] == [str(alert)]
    answer = viewer.get(f"alerts/{alert}")
    assert document(answer)["status"] == "acknowledged"
    assert admin.person.name not in answer.content.decode()
    refused(viewer.get(f"alerts/{silent}"), 404, "alert_not_found")
    document(admin.patch(path_of(school), {"viewers_see_open_alerts": False}))
    assert viewer.read("alerts")["results"] == []
