"""Service tokens and open invitations are withdrawn when their creator leaves the school."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Role, User
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.times import rfc3339
from tests.accounts.callers import anonymous_client, audited
from tests.kit import mailbox
from tests.kit.callers import send
from tests.kit.feed import published_ids
from tests.kit.people import PASSWORD, Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


@pytest.fixture
def head(school: School) -> Person:
    """The administrator who stays."""
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization)


@pytest.fixture
def leaver(school: School) -> Person:
    """An administrator with a password, who creates a token and an invitation and then leaves."""
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    user = User.objects.get(pk=person.id)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    return person


def make_token(person: Person, school: School) -> Any:
    body = {
        "name": "Bells",
        "scopes": ["places:read"],
        "expires_at": rfc3339(timezone.now() + timedelta(days=30)),
    }
    answer = send(person.client, "POST", f"organizations/{school.organization}/service-tokens", body)
    assert answer.status_code == 201
    return answer.json()


def invite(person: Person, school: School) -> tuple[str, str]:
    """The invitation's id and the secret of its link."""
    email = f"guest-{new_id().hex}@school.example"
    answer = send(
        person.client, "POST", f"organizations/{school.organization}/invitations", {"email": email, "role": "admin"}
    )
    assert answer.status_code == 201
    return answer.json()["id"], mailbox.link(email, "join")


def works(token: Any, school: School) -> bool:
    client = Client(headers={"authorization": f"Bearer {token['token']}"})
    return bool(send(client, "GET", f"organizations/{school.organization}/tree").status_code == 200)


def join(secret: str, address: str) -> Any:
    body = {"token": secret, "password": PASSWORD, "first_name": "New", "last_name": "Person"}
    return send(anonymous_client(address), "POST", "auth/register", body)


def membership_path(person: Person, school: School) -> str:
    return f"users/{person.id}/organizations/{school.organization}"


def dismiss(head: Person, leaver: Person, school: School) -> None:
    assert send(head.client, "DELETE", membership_path(leaver, school)).status_code == 204


def demote(head: Person, leaver: Person, school: School) -> None:
    assert send(head.client, "PATCH", membership_path(leaver, school), {"role": "manager"}).status_code == 200


def narrow(head: Person, leaver: Person, school: School) -> None:
    body = {"scope": "places", "places": {"sites": [], "buildings": [str(school.building)]}}
    assert send(head.client, "PATCH", membership_path(leaver, school), body).status_code == 200


def erase(head: Person, leaver: Person, school: School) -> None:
    assert send(leaver.client, "DELETE", "me", {"current_password": PASSWORD}).status_code == 204


DEPARTURES: Final[Mapping[str, Callable[[Person, Person, School], None]]] = {
    "dismissed": dismiss,
    "demoted": demote,
    "narrowed to a building": narrow,
    "erased": erase,
}


@pytest.mark.parametrize("depart", DEPARTURES.values(), ids=DEPARTURES.keys())
def test_tokens_and_open_invitations_are_withdrawn_when_their_creator_leaves(
    school: School, head: Person, leaver: Person, address: str, depart: Callable[[Person, Person, School], None]
) -> None:
    """Audited and published like a manual withdrawal; accepted invitations and those of colleagues are kept."""
    token, (invitation, secret) = make_token(leaver, school), invite(leaver, school)
    (accepted, accepted_secret), of_a_colleague = invite(leaver, school), make_token(head, school)
    assert join(accepted_secret, address).status_code == 201
    assert works(token, school) and works(of_a_colleague, school)
    depart(head, leaver, school)
    assert not works(token, school)
    assert works(of_a_colleague, school)
    assert problem(join(secret, address))[1] == "link_refused"
    with tenant_scope([school.organization]):
        assert Invitation.objects.get(pk=invitation).revoked_at is not None
        assert Invitation.objects.get(pk=accepted).revoked_at is None
    assert [action for action, _ in audited(UUID(token["id"]), "service_token.")][-1] == "service_token.withdrawn"
    assert [action for action, _ in audited(UUID(invitation), "invitation.")][-1] == "invitation.revoked"
    assert published_ids(school.organization, "service_tokens").count(token["id"]) == 2
    assert invitation in published_ids(school.organization, "people")


def test_tokens_stay_while_their_creator_keeps_the_permission(school: School, head: Person, leaver: Person) -> None:
    """Setting the same role again, or leaving another school, withdraws nothing."""
    elsewhere = SchoolFactory.create()
    with tenant_scope([elsewhere.organization]):
        Membership.objects.create(
            user_id=leaver.id, organization_id=elsewhere.organization, role=Role.OPERATOR, created_at=timezone.now()
        )
    other_head = PersonFactory.create(role=Role.ADMIN, organization=elsewhere.organization)
    token, (invitation, _) = make_token(leaver, school), invite(leaver, school)
    path = membership_path(leaver, school)
    assert send(head.client, "PATCH", path, {"role": "admin"}).status_code == 200
    assert send(other_head.client, "DELETE", membership_path(leaver, elsewhere)).status_code == 204
    assert works(token, school)
    with tenant_scope([school.organization]):
        assert Invitation.objects.get(pk=invitation).revoked_at is None
