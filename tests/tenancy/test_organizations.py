"""Organizations: created, suspended and deleted by platform operators, and never lost."""

import secrets
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts.models import Role
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization
from contracts.validation import problems
from tests.kit.callers import Caller, JsonObject, admin_of, document, member
from tests.kit.presses import raise_alert
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory
from tests.kit.trail import actions

pytestmark = pytest.mark.slow


def slug() -> str:
    return f"school-{secrets.token_hex(6)}"


def created(operator: Caller, **changed: object) -> JsonObject:
    body = {"name": "Lincoln High School", "slug": slug()} | changed
    return document(operator.post("organizations", body), 201)


def visited(operator: Caller, **changed: object) -> JsonObject:
    """A new organization with an open visit, so that the operator may change it."""
    made = created(operator, **changed)
    document(operator.post(f"organizations/{made['id']}/visits", {"reason": "Asked by the school."}), 201)
    return made


def test_super_admin_can_create_an_organization(operator_of_platform: Caller) -> None:
    metadata = {"crm": {"number": 17}}
    answer = operator_of_platform.post("organizations", {"name": "Lincoln", "slug": slug(), "metadata": metadata})
    made = document(answer, 201)
    assert (made["status"], made["suspension_reason"], made["metadata"]) == ("active", None, metadata)
    again = operator_of_platform.get(f"organizations/{made['id']}")
    assert (document(again), again["ETag"]) == (made, answer["ETag"])
    assert actions(UUID(made["id"])) == ["organization.created"]


@pytest.mark.parametrize("role", Role)
def test_school_roles_cannot_create_an_organization(school: School, role: Role) -> None:
    refused(member(role, school).post("organizations", {"name": "Lincoln", "slug": slug()}), 403, "forbidden")


def test_slug_is_unique_ignoring_case(operator_of_platform: Caller) -> None:
    taken = created(operator_of_platform)["slug"]
    body = {"name": "Another", "slug": taken.upper()}
    assert set(refused(operator_of_platform.post("organizations", body), 409, "slug_taken")["errors"]) == {"slug"}
    other = visited(operator_of_platform)
    path = f"organizations/{other['id']}"
    assert set(refused(operator_of_platform.patch(path, {"slug": taken.upper()}), 409, "slug_taken")["errors"]) == {
        "slug"
    }
    assert operator_of_platform.read(path) == other


def test_refused_slug_creates_no_organization(operator_of_platform: Caller) -> None:
    taken = created(operator_of_platform)["slug"]
    name = f"Half written {slug()}"
    refused(operator_of_platform.post("organizations", {"name": name, "slug": taken}), 409, "slug_taken")
    pages = operator_of_platform.pages("organizations", limit=100)
    assert name not in {one["name"] for page in pages for one in page}


def test_admin_can_rename_the_organization_and_operator_cannot(school: School, admin: Caller) -> None:
    path = f"organizations/{school.organization}"
    assert document(admin.patch(path, {"name": "Lincoln Middle School"}))["name"] == "Lincoln Middle School"
    refused(member(Role.OPERATOR, school).patch(path, {"name": "Mine"}), 403, "forbidden")
    assert admin.read(path)["name"] == "Lincoln Middle School"


def test_put_resets_omitted_fields_and_patch_keeps_them(operator_of_platform: Caller) -> None:
    made = visited(operator_of_platform, metadata={"a": 1})
    path = f"organizations/{made['id']}"
    assert document(operator_of_platform.patch(path, {"name": "B"}))["metadata"] == {"a": 1}
    assert document(operator_of_platform.put(path, {"name": "C", "slug": made["slug"]}))["metadata"] is None


def test_read_only_fields_are_ignored_in_a_put(operator_of_platform: Caller) -> None:
    """A client can change the name in a document that it has read and send it back; its status is ignored."""
    made = visited(operator_of_platform)
    path = f"organizations/{made['id']}"
    answer = document(operator_of_platform.put(path, made | {"name": "B", "status": "deleted"}))
    assert (answer["name"], answer["status"]) == ("B", "active")


def test_deleted_organization_is_kept_and_can_be_restored(operator_of_platform: Caller) -> None:
    made = created(operator_of_platform)
    id_, path = UUID(made["id"]), f"organizations/{made['id']}"
    admin = admin_of(id_)
    site = document(admin.post(f"{path}/sites", {"name": "Campus"}), 201)
    assert operator_of_platform.delete(path).status_code == 204
    refused(admin.get(path), 404, "not_found")
    refused(admin.get(f"sites/{site['id']}"), 404, "not_found")
    assert operator_of_platform.read(path)["status"] == "deleted"
    refused(operator_of_platform.delete(path), 409, "organization_status")
    refused(operator_of_platform.post(f"{path}/suspend", {"reason": "x"}), 409, "organization_status")
    assert document(operator_of_platform.post(f"{path}/undelete"))["status"] == "active"
    assert admin.read(f"sites/{site['id']}") == site
    assert actions(id_)[-2:] == ["organization.deleted", "organization.undeleted"]


def test_organization_with_devices_or_open_alert_cannot_be_deleted(
    school: School, operator_of_platform: Caller
) -> None:
    raise_alert(school)
    answer = operator_of_platform.delete(f"organizations/{school.organization}")
    in_the_way = {one["what"]: one["count"] for one in refused(answer, 409, "place_in_use")["in_the_way"]}
    assert in_the_way == {"devices": 2, "gateways": 1, "open_alerts": 1}


def test_admin_cannot_suspend_or_delete_the_organization(school: School, admin: Caller) -> None:
    path = f"organizations/{school.organization}"
    refused(admin.delete(path), 403, "forbidden")
    for act in ("suspend", "resume", "undelete"):
        refused(admin.post(f"{path}/{act}", {"reason": "x"} if act == "suspend" else None), 403, "forbidden")


def suspended(school: School, operator: Caller, reason: str = "The bill of May is not paid.") -> None:
    document(operator.post(f"organizations/{school.organization}/suspend", {"reason": reason}))


def test_people_of_suspended_school_can_only_answer_alarms(
    school: School, admin: Caller, operator_of_platform: Caller
) -> None:
    suspended(school, operator_of_platform)
    alert = raise_alert(school)
    assert admin.put(f"alerts/{alert}/acknowledge").status_code == 200
    assert admin.put(f"alerts/{alert}/resolve", {"reason": "real"}).status_code == 200
    path = f"organizations/{school.organization}"
    for answer in (
        admin.get(path),
        admin.get(f"{path}/tree"),
        admin.get(f"{path}/sites"),
        admin.get(f"{path}/settings"),
        admin.patch(path, {"name": "B"}),
        admin.patch(f"{path}/settings", {"locale": "de-DE"}),
        admin.post(f"{path}/sites", {"name": "B"}),
        admin.get(f"rooms/{school.room}"),
        admin.delete(f"rooms/{school.room}"),
    ):
        refused(answer, 403, "forbidden")


def test_press_in_a_suspended_school_is_an_alert(school: School, operator_of_platform: Caller) -> None:
    """An unpaid bill does not block a press: the gateway's endpoints work and the alert is recorded."""
    suspended(school, operator_of_platform)
    answer = Client(headers={"authorization": f"Bearer {school.gateway_token}"}).get("/api/v1/edge/config")
    assert answer.status_code == 200
    assert raise_alert(school, alert_type="lockdown")


def test_suspension_keeps_the_data_until_resumed(school: School, admin: Caller, operator_of_platform: Caller) -> None:
    path = f"organizations/{school.organization}"
    tree = admin.read(f"{path}/tree")
    suspended(school, operator_of_platform)
    assert operator_of_platform.read(path)["suspension_reason"] == "The bill of May is not paid."
    refused(operator_of_platform.post(f"{path}/suspend", {"reason": "twice"}), 409, "organization_status")
    resumed = document(operator_of_platform.post(f"{path}/resume"))
    assert (resumed["status"], resumed["suspension_reason"]) == ("active", None)
    assert admin.read(f"{path}/tree") == tree
    assert actions(school.organization)[-2:] == ["organization.suspended", "organization.resumed"]


def test_suspension_needs_a_reason(school: School, operator_of_platform: Caller) -> None:
    path = f"organizations/{school.organization}/suspend"
    for body in ({}, {"reason": ""}, {"reason": "x" * 501}, {"reason": None}):
        assert set(refused(operator_of_platform.post(path, body), 400, "invalid")["errors"]) == {"reason"}


def test_list_contains_own_organizations_and_all_for_super_admins(operator_of_platform: Caller) -> None:
    schools = [SchoolFactory.create() for _ in range(3)]
    mine = {str(school.organization) for school in schools[:2]}
    admin = admin_of(*(school.organization for school in schools[:2]))
    assert {one["id"] for one in admin.read("organizations")["results"]} == mine
    found = [one["id"] for page in operator_of_platform.pages("organizations", limit=100) for one in page]
    assert len(found) == len(set(found))
    assert set(found) >= {str(school.organization) for school in schools}


def test_deleted_organizations_are_listed_only_when_asked_for(operator_of_platform: Caller) -> None:
    kept, deleted = created(operator_of_platform), created(operator_of_platform)
    operator_of_platform.delete(f"organizations/{deleted['id']}")

    def listed(status: str) -> set[str]:
        pages = operator_of_platform.pages("organizations", limit=100, status=status)
        return {one["id"] for page in pages for one in page}

    assert deleted["id"] not in listed("present") and kept["id"] in listed("present")
    assert deleted["id"] in listed("deleted") and kept["id"] not in listed("deleted")
    refused(operator_of_platform.get("organizations", status="gone"), 400, "invalid")


def test_super_admin_without_a_visit_cannot_read_places(school: School, operator_of_platform: Caller) -> None:
    """Super admins can list the tenants; data inside a school is visible to the school only."""
    for path in (
        f"organizations/{school.organization}/tree",
        f"organizations/{school.organization}/sites",
        f"organizations/{school.organization}/settings",
        f"sites/{school.site}",
    ):
        refused(operator_of_platform.get(path), 404, "not_found")


def test_database_enforces_unique_slugs_ignoring_case() -> None:
    """Also for writes that do not go through the service."""
    name = slug()
    ids = [SchoolFactory.create().organization for _ in range(2)]
    with tenant_scope(ids):
        Organization.objects.filter(id=ids[0]).update(slug=name)
    with pytest.raises(Exception, match="organizations_slug_folded"), tenant_scope(ids):
        Organization.objects.filter(id=ids[1]).update(slug=name.upper())


def test_refused_deletion_matches_the_contract(school: School, operator_of_platform: Caller) -> None:
    answer = operator_of_platform.delete(f"organizations/{school.organization}")
    refused(answer, 409, "place_in_use")
    assert problems("problem", answer.content) == []
