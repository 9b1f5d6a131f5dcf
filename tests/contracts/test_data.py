"""The data files of the contract: roles, alert types, patterns."""

from itertools import pairwise

import pytest

from contracts import AlertType, alert_types, grammar, patterns, permissions

FROM_LEAST_TO_MOST = ["viewer", "operator", "manager", "admin", "super_admin"]


def allowed(role: str) -> set[str]:
    return set(permissions()[role])


def test_role_table_has_exactly_the_known_roles() -> None:
    assert sorted(permissions()) == sorted(FROM_LEAST_TO_MOST)


@pytest.mark.parametrize(("below", "above"), pairwise(FROM_LEAST_TO_MOST))
def test_each_role_includes_the_rights_of_the_role_below(below: str, above: str) -> None:
    assert allowed(below) < allowed(above)


@pytest.mark.parametrize("role", FROM_LEAST_TO_MOST)
def test_rights_are_sorted_resource_and_action_pairs(role: str) -> None:
    rights = permissions()[role]
    assert rights == sorted(set(rights))
    for right in rights:
        resource, action = right.split(":")
        assert resource.replace("_", "").isalpha()
        assert action in {"create", "read", "update", "delete"}


def test_staff_can_trigger_and_acknowledge() -> None:
    for role in FROM_LEAST_TO_MOST[1:]:
        assert {"alerts:create", "alerts:update", "alert_notes:create", "check_ins:create"} <= allowed(role)


def test_viewer_can_only_read_and_nothing_live() -> None:
    assert {right.split(":")[1] for right in allowed("viewer")} == {"read"}
    assert not {"alerts:read", "silent_alerts:read", "check_ins:read", "people:read"} & allowed("viewer")


def test_operator_cannot_change_devices_or_list_people() -> None:
    assert not {"devices:update", "people:read", "configuration:read"} & allowed("operator")


def test_no_role_can_delete_alerts_or_audit_entries() -> None:
    never = {"alerts:delete", "alert_notes:update", "alert_notes:delete", "check_ins:delete", "audit:update"}
    for role in FROM_LEAST_TO_MOST:
        assert not never & allowed(role)


def test_only_super_admins_create_organizations_and_edit_rights() -> None:
    assert {"organizations:create", "permissions:update"} <= allowed("super_admin") - allowed("admin")


def test_types_are_sorted_by_gravity() -> None:
    types = [row.type for row in alert_types()]
    assert (types[0], types[-1]) == ("lockdown", "test")
    assert len(types) == len(set(types))


def relative_luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("row", alert_types(), ids=lambda row: row.type)
def test_white_text_is_readable_on_each_type_colour(row: AlertType) -> None:
    assert 1.05 / (relative_luminance(row.colour) + 0.05) >= 4.5


def test_priority_falls_and_severity_never_rises_with_gravity() -> None:
    severities = ["critical", "high", "medium", "low"]
    for graver, next_one in pairwise(alert_types()):
        assert graver.priority > next_one.priority
        assert severities.index(graver.severity) <= severities.index(next_one.severity)


def test_approvals_of_lockdown_and_assist() -> None:
    assert [row.type for row in alert_types() if row.two_person] == ["lockdown"]
    assert {row.type for row in alert_types() if row.never_sounds_in_room_of_origin} == {"lockdown", "assist"}


def test_standard_response_protocol_actions_have_their_phrases() -> None:
    spoken = {row.type for row in alert_types() if row.phrase}
    assert spoken == {"lockdown", "secure", "hold", "evacuate", "shelter"}


def test_alert_id_starts_with_a_device_id() -> None:
    assert grammar("alert_id").startswith(grammar("device_id").removesuffix("\\Z") + ":")


def test_unknown_pattern_is_the_gravest_type() -> None:
    table = patterns()
    assert [table.type_of(pattern) for pattern in ("long", "triple", "short", "anything")] == [
        "lockdown",
        "medical",
        "assist",
        alert_types()[0].type,
    ]
