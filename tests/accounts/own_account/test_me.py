"""The caller's own account: read and update."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.identity import users
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, MembershipScope, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.common.feed import since
from apps.tenancy.models import Organization, OrganizationStatus
from tests.accounts.callers import anonymous_client, app_of, audited
from tests.accounts.changes import make_site
from tests.kit.callers import send
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem
from tests.kit.school import SchoolFactory
from tests.matrix.callers import ROLE_TABLE

pytestmark = pytest.mark.slow


def join(person: Person, organization: Person, role: Role, **more: object) -> None:
    """Add the person to the school of another."""
    with tenant_scope([organization.organization]):
        memberships.add_membership(
            actor=SYSTEM,
            user=person.user,
            organization_id=organization.organization,
            role=role,
            **more,  # type: ignore[arg-type]
        )


def test_me_returns_identity_and_permissions_per_membership(person: Person, address: str) -> None:
    join(person, AccountFactory.create(), Role.VIEWER)
    response = send(app_of(person, address), "GET", "me")
    me = response.json()
    assert (me["id"], me["email"], me["has_password"]) == (str(person.id), person.email, True)
    assert {one["organization"]["id"]: (one["role"], one["scope"]) for one in me["memberships"]}[
        str(person.organization)
    ] == ("operator", "organization")
    held = {one["role"]: set(one["permissions"]) for one in me["memberships"]}
    assert held == {role: ROLE_TABLE[Role(role)] for role in ("operator", "viewer")}
    assert all(one["held_at"] == [] for one in me["memberships"])
    assert response["ETag"]


def test_me_returns_the_places_of_a_place_role(address: str) -> None:
    person = AccountFactory.create(role=Role.OPERATOR, scope=MembershipScope.PLACES)
    site, (here, _) = make_site(person.organization, "Here", "There")
    with tenant_scope([person.organization]):
        grant_places(
            Membership.objects.get(user_id=person.id),
            RoleAt(Role.OPERATOR, MembershipScope.PLACES, buildings=frozenset({here.id})),
        )
    (membership,) = send(app_of(person, address), "GET", "me").json()["memberships"]
    assert membership["permissions"] == []
    assert membership["places"] == {"sites": [], "buildings": [str(here.id)]}
    held = {(one["kind"], one["id"]): set(one["permissions"]) for one in membership["held_at"]}
    assert held == {
        ("site", str(site.id)): {"places:read"},
        ("building", str(here.id)): ROLE_TABLE[Role.OPERATOR],
    }


def test_me_returns_suspension_reason_and_remaining_permissions(person: Person, address: str) -> None:
    with tenant_scope([person.organization]):
        Organization.objects.update(status=OrganizationStatus.SUSPENDED, suspension_reason="Contract ended")
    (membership,) = send(app_of(person, address), "GET", "me").json()["memberships"]
    assert membership["organization"]["status"] == "suspended"
    assert membership["organization"]["suspension_reason"] == "Contract ended"
    assert {"alerts:create", "alerts:update"} <= set(membership["permissions"])
    assert "alert_notes:create" not in membership["permissions"]


@pytest.mark.parametrize("why", ["expired", "deleted"])
def test_me_leaves_out_expired_memberships_and_deleted_schools(person: Person, address: str, why: str) -> None:
    app = app_of(person, address)
    with tenant_scope([person.organization]):
        if why == "expired":
            Membership.objects.update(expires_at=timezone.now())
        else:
            Organization.objects.update(status=OrganizationStatus.DELETED)
    assert send(app, "GET", "me").json()["memberships"] == []


def test_new_name_is_used_in_schools_without_a_chosen_name(person: Person, address: str) -> None:
    """A display name that an organization has chosen takes precedence."""
    other = AccountFactory.create()
    join(person, other, Role.VIEWER)
    with tenant_scope([other.organization]):
        Membership.objects.filter(user_id=person.id).update(name="Ms. Tess")
    app = app_of(person, address)
    response = send(app, "PATCH", "me", {"first_name": "Åsa", "last_name": "Berg", "locale": "sv"})
    assert response.status_code == 200, response.content
    assert (response.json()["first_name"], response.json()["locale"]) == ("Åsa", "sv")
    assert response["ETag"] == send(app, "GET", "me")["ETag"]
    names = {one["organization"]["id"]: one["name"] for one in response.json()["memberships"]}
    assert names == {str(person.organization): "Åsa Berg", str(other.organization): "Ms. Tess"}
    with tenant_scope([person.organization]):
        assert Membership.objects.get(user_id=person.id).name_key == "asa berg"
        assert '"resource":"people"' in since(person.organization, 0, limit=100)[-1].text
    assert audited(person.id) == [("account.updated", "person")] * 2, "a row in the trail of each school"


def test_stale_update_of_me_is_refused(person: Person, address: str) -> None:
    app = app_of(person, address)
    seen = send(app, "GET", "me")["ETag"]
    assert send(app, "PATCH", "me", {"first_name": "Ada"}, **{"if-match": seen}).status_code == 200
    stale = send(app, "PATCH", "me", {"first_name": "Eve"}, **{"if-match": seen})
    assert problem(stale) == (412, "precondition_failed")
    assert User.objects.get(pk=person.id).first_name == "Ada"


def test_me_ignores_read_only_fields_and_refuses_unknown_ones(person: Person, address: str) -> None:
    """A body cannot make its sender a super admin or change their e-mail; a whole response can be sent back."""
    app = app_of(person, address)
    me = send(app, "GET", "me").json()
    forged = me | {
        "is_super_admin": True,
        "email": "principal@example.edu",
        "email_verified": True,
        "phone": "+12025550123",
        "first_name": "Ada",
    }
    assert send(app, "PATCH", "me", forged).json() == me | {"first_name": "Ada"} | {
        "memberships": [one | {"name": f"Ada {me['last_name']}"} for one in me["memberships"]]
    }
    response = send(app, "PATCH", "me", {"password": "x", "status": "active"})
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {"password", "status"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"first_name": "x" * 101}, "first_name"),
        ({"last_name": ""}, "last_name"),
        ({"first_name": ["x"]}, "first_name"),
        ({"locale": "english, please"}, "locale"),
    ],
)
def test_invalid_update_of_me_is_refused_by_field(
    person: Person, address: str, body: dict[str, object], field: str
) -> None:
    response = send(app_of(person, address), "PATCH", "me", {"locale": "de"} | body)
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {field}
    assert User.objects.get(pk=person.id).locale is None


def test_gateway_cannot_read_me() -> None:
    school = SchoolFactory.create()
    client = anonymous_client("2001:db8::1")
    for method, path in (("GET", "me"), ("GET", "me/export"), ("GET", "me/devices")):
        response = send(client, method, path, authorization=f"Bearer {school.gateway_token}")
        assert problem(response) == (403, "forbidden")


def test_day_account_reads_me_without_an_email(address: str) -> None:
    """Its address is a placeholder, so that it gets no e-mail, password reset or invitation."""
    school = AccountFactory.create(role=Role.ADMIN)
    with tenant_scope([school.organization]):
        user = users.create_user(
            actor=SYSTEM, email="sub@day.invalid".replace("sub", school.user.id.hex), password=None
        )
        memberships.add_membership(
            actor=SYSTEM,
            user=user,
            organization_id=school.organization,
            role=Role.OPERATOR,
            trigger_only=True,
            expires_at=timezone.now() + timedelta(hours=8),
        )
    token = sign_in.begin(user=user, now=timezone.now()).access
    headers = {"authorization": f"Bearer {token}"}
    me = send(anonymous_client(address), "GET", "me", **headers).json()
    (membership,) = me["memberships"]
    assert (me["email"], me["has_password"], membership["day_account"]) == (None, False, True)
    assert membership["permissions"] == ["alerts:create"]
    for method, path, body in (
        ("POST", "me/email", {"email": "mine@example.edu", "current_password": PASSWORD}),
        ("DELETE", "me", {"current_password": PASSWORD}),
    ):
        assert problem(send(anonymous_client(address), method, path, body, **headers)) == (409, "no_password")
