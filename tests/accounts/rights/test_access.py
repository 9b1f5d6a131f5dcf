"""Permission checks as pure functions, without a database."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.access import (
    ANONYMOUS,
    SYSTEM,
    SYSTEM_PERMISSIONS,
    Grant,
    Pair,
    Places,
    Principal,
    PrincipalKind,
    allows,
    require,
    require_anywhere,
    require_person,
    require_super_admin,
)
from apps.common.db.ids import new_id
from apps.common.problems import Forbidden, NotFound

SCHOOL, ELSEWHERE = new_id(), new_id()
IDS = [new_id() for _ in range(4)]
PAIRS: list[Pair] = [
    (resource, action) for resource in ("alerts", "places") for action in ("create", "read", "update", "delete")
]

rights = st.frozensets(st.sampled_from(PAIRS))
places = st.builds(
    Places,
    sites=st.dictionaries(st.sampled_from(IDS), rights),
    buildings=st.dictionaries(st.sampled_from(IDS), rights),
)
somewhere = st.none() | st.sampled_from(IDS)


def whole(held: frozenset[Pair]) -> Grant:
    return Grant(SCHOOL, "operator", held)


def narrowed(places: Places) -> Grant:
    return Grant(SCHOOL, "operator", frozenset(), places)


def person(grant: Grant, *, is_super_admin: bool = False) -> Principal:
    return Principal(PrincipalKind.PERSON, new_id(), "Tess", {grant.organization_id: grant}, is_super_admin)


@given(rights, st.sampled_from(PAIRS), somewhere, somewhere)
def test_organization_role_applies_at_every_place(
    held: frozenset[Pair], pair: Pair, building: UUID | None, site: UUID | None
) -> None:
    grant = whole(held)
    assert allows(person(grant), SCHOOL, *pair, building, site) is (pair in held)
    assert grant.anywhere(*pair) is (pair in held)
    assert grant.buildings(*pair) == grant.sites(*pair) == (None if pair in held else frozenset())


@given(places, st.sampled_from(PAIRS), st.sampled_from(IDS))
def test_place_role_applies_only_at_its_places(granted: Places, pair: Pair, place: UUID) -> None:
    """Other buildings need a grant of their own; a check without a place requires the permission everywhere."""
    principal = person(narrowed(granted))
    assert allows(principal, SCHOOL, *pair, place) is (pair in granted.buildings.get(place, frozenset()))
    assert allows(principal, SCHOOL, *pair, site=place) is (pair in granted.sites.get(place, frozenset()))
    assert not allows(principal, SCHOOL, *pair)


@given(places, st.sampled_from(PAIRS))
def test_grant_lists_only_places_where_the_permission_applies(granted: Places, pair: Pair) -> None:
    principal = person(narrowed(granted))
    grant = principal.grants[SCHOOL]
    buildings, sites = grant.buildings(*pair), grant.sites(*pair)
    assert buildings == frozenset(place for place in IDS if allows(principal, SCHOOL, *pair, place))
    assert sites == frozenset(place for place in IDS if allows(principal, SCHOOL, *pair, site=place))
    assert grant.anywhere(*pair) is bool(buildings or sites)


@given(rights | st.none(), places, st.sampled_from(PAIRS), somewhere, somewhere)
def test_require_agrees_with_allows(
    held: frozenset[Pair] | None, granted: Places, pair: Pair, building: UUID | None, site: UUID | None
) -> None:
    """A caller without any permission at a place gets NotFound, not Forbidden."""
    grant = narrowed(granted) if held is None else whole(held)
    principal = person(grant)
    if allows(principal, SCHOOL, *pair, building, site):
        assert require(principal, SCHOOL, *pair, building, site) is grant
        return
    stranger = held is None and (building or site) is not None and not grant.at(building, site)
    with pytest.raises(NotFound if stranger else Forbidden):
        require(principal, SCHOOL, *pair, building, site)


@given(rights, places, st.sampled_from(PAIRS))
def test_other_organization_is_not_found(held: frozenset[Pair], granted: Places, pair: Pair) -> None:
    for grant in (whole(held), narrowed(granted)):
        principal = person(grant)
        assert not allows(principal, ELSEWHERE, *pair)
        for check in (require, require_anywhere):
            with pytest.raises(NotFound):
                check(principal, ELSEWHERE, *pair)


@given(rights | st.none(), places, st.sampled_from(PAIRS))
def test_require_anywhere_accepts_permission_at_any_place(
    held: frozenset[Pair] | None, granted: Places, pair: Pair
) -> None:
    grant = narrowed(granted) if held is None else whole(held)
    if grant.anywhere(*pair):
        assert require_anywhere(person(grant), SCHOOL, *pair) is grant
    else:
        with pytest.raises(Forbidden):
            require_anywhere(person(grant), SCHOOL, *pair)


def test_require_super_admin_accepts_only_super_admins() -> None:
    """No role in a school is enough."""
    require_super_admin(person(whole(frozenset()), is_super_admin=True))
    with pytest.raises(Forbidden):
        require_super_admin(person(whole(frozenset(PAIRS))))


@pytest.mark.parametrize("organization", [SCHOOL, ELSEWHERE])
def test_system_has_only_its_permissions_in_every_organization(organization: UUID) -> None:
    for pair in SYSTEM_PERMISSIONS:
        assert allows(SYSTEM, organization, *pair)
        assert require(SYSTEM, organization, *pair, building=IDS[0]).organization_id == organization
    assert not allows(SYSTEM, organization, "alerts", "update")
    with pytest.raises(Forbidden):
        require(SYSTEM, organization, "alerts", "update")
    require_super_admin(SYSTEM)


@given(st.sampled_from(PAIRS))
def test_anonymous_has_no_rights(pair: Pair) -> None:
    assert not ANONYMOUS.is_authenticated
    assert not allows(ANONYMOUS, SCHOOL, *pair)
    with pytest.raises(NotFound):
        require(ANONYMOUS, SCHOOL, *pair)
    for check in (require_super_admin, require_person):
        with pytest.raises(Forbidden):
            check(ANONYMOUS)
