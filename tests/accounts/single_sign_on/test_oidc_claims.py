"""ID tokens of identity providers: claims, missing claims and times."""

import time

import pytest

from apps.accounts.models import Membership, Role, User
from apps.accounts.single_sign_on.oidc import CLOCKS_APART
from apps.common.db.scope import tenant_scope
from tests.accounts.identity_provider import Issuer
from tests.accounts.sso_school import School, google
from tests.kit.people import Person

pytestmark = pytest.mark.slow

OVERAGE = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/tenant/users/user/getMemberObjects"}},
}
"""Claims that Microsoft sends in place of `groups` for a person in more than 200 groups."""
ROLES = {"role_claim": "groups", "role_map": {"it": "admin", "staff": "operator"}}
WELL_WITHIN = CLOCKS_APART // 2
WELL_BEYOND = CLOCKS_APART + 120


def role_of(person: Person, school: School) -> str:
    with tenant_scope([school.id]):
        return Membership.objects.get(user_id=person.id).role


@pytest.mark.parametrize("default_role", [None, "viewer"])
@pytest.mark.parametrize(
    "missing",
    [OVERAGE, {}, {"groups": None}, {"groups": 7}, {"groups": {"it": True}}, {"groups": ["staff"], **OVERAGE}],
)
def test_role_is_kept_when_the_token_does_not_list_groups(
    school: School, issuer: Issuer, default_role: str | None, missing: dict[str, object]
) -> None:
    school.change(**ROLES, default_role=default_role)
    person = school.person(Role.VIEWER)
    issuer.person = google(person.email, "subject", groups=["it"])
    assert school.enters().who == person.id
    issuer.person = google(person.email, "subject") | missing
    assert school.enters().who == person.id
    assert role_of(person, school) == "admin"


def test_empty_list_of_groups_removes_the_role(school: School, issuer: Issuer) -> None:
    school.change(**ROLES, default_role="viewer")
    person = school.person(Role.OPERATOR)
    issuer.person = google(person.email, "subject", groups=[])
    assert school.enters().who == person.id
    assert role_of(person, school) == "viewer"
    school.change(default_role=None)
    assert school.enters().is_refused("identity_not_linked")


def test_newcomer_without_listed_groups_gets_only_the_default_role(school: School, issuer: Issuer) -> None:
    school.change(**ROLES, default_role=None)
    issuer.person = google(f"new@{school.domain}") | OVERAGE
    assert school.enters().is_refused("identity_not_linked")
    school.change(default_role="viewer")
    user = school.enters().who
    with tenant_scope([school.id]):
        assert Membership.objects.get(user_id=str(user)).role == "viewer"


@pytest.mark.parametrize("claim", ["iat", "nbf", "auth_time"])
def test_token_is_accepted_within_the_tolerance_and_refused_beyond_it(
    school: School, issuer: Issuer, claim: str
) -> None:
    issuer.person = google(school.person().email)
    issuer.changed = {claim: int(time.time()) + WELL_WITHIN}
    assert school.enters().who is not None
    issuer.changed = {claim: int(time.time()) + WELL_BEYOND}
    assert school.enters().is_refused("single_sign_on_failed")


def test_expired_token_is_accepted_within_the_tolerance_only(school: School, issuer: Issuer) -> None:
    issuer.person = google(school.person().email)
    issuer.changed = {"exp": int(time.time()) - WELL_WITHIN}
    assert school.enters().who is not None
    issuer.changed = {"exp": int(time.time()) - WELL_BEYOND}
    assert school.enters().is_refused("single_sign_on_failed")


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize("value", ["soon", float("nan"), [], True, -(10**30)])
def test_claim_that_is_not_a_time_is_refused_without_error(
    school: School, issuer: Issuer, claim: str, value: object
) -> None:
    issuer.person = google(school.person().email)
    issuer.changed = {claim: value}
    entered = school.enters()
    is_harmless = claim != "exp" and value == -(10**30)
    assert entered.who is not None if is_harmless else entered.is_refused("single_sign_on_failed")


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        ("Ni\u200ba", "Nia"),
        (" Ni  a ", "Ni a"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("ev\u202eil", None),
        ("\u2800", None),
        ("N" * 200, "N" * 100),
    ],
)
def test_claimed_name_is_stored_in_normal_form(school: School, issuer: Issuer, claimed: str, kept: str | None) -> None:
    """An invisible name, or one that changes how the text around it is displayed, is dropped."""
    school.change(default_role="viewer")
    issuer.person = google(f"new@{school.domain}", given_name=claimed)
    assert User.objects.get(pk=str(school.enters().who)).first_name == kept
