"""The expected response for each caller: computed from the requirements of the route and the caller's rights."""

from http import HTTPStatus
from typing import Final

from tests.matrix.callers import ROLE_TABLE, Caller
from tests.matrix.entry import At, Entry

SITE_OF_A_BUILDING: Final = frozenset({"places:read"})
"""Rights on a site for a caller who may act only at one of its buildings."""


def expected_status(entry: Entry, caller: Caller) -> int:
    """Return the expected status of the response."""
    for name, exception in entry.but.items():
        if caller.name.startswith(name):
            return exception.status
    refusal = _refusal(entry, caller)
    if refusal is None:
        return entry.ok
    if entry.is_admin and refusal is HTTPStatus.UNAUTHORIZED:
        return HTTPStatus.FOUND
    if entry.is_page:
        return HTTPStatus.FOUND if refusal is HTTPStatus.UNAUTHORIZED else entry.ok
    return refusal


def may(entry: Entry, caller: Caller) -> bool:
    """Return whether the caller has the right that the route requires."""
    return _refusal(entry, caller) is None


def _refusal(entry: Entry, caller: Caller) -> HTTPStatus | None:
    if entry.at is At.OPEN:
        return None
    if not caller.kind:
        return HTTPStatus.UNAUTHORIZED
    if entry.is_admin and caller.kind != "person":
        return HTTPStatus.FORBIDDEN
    if entry.at is At.SELF:
        return None if caller.kind in entry.kinds else HTTPStatus.FORBIDDEN
    held = rights_at(entry.at, caller)
    if entry.names_organization and _is_stranger(entry.at, caller, held):
        return HTTPStatus.NOT_FOUND
    return None if entry.rights & held else HTTPStatus.FORBIDDEN


ORGANIZATION_OF_A_PLACE: Final = frozenset({"organizations:read"})
"""Rights on the organization itself for a caller who may act only at one of its places."""
PLATFORM: Final = frozenset({At.PLATFORM, At.OPERATORS, At.TENANT, At.ANOTHER})
PLACES: Final = frozenset({At.SITE, At.BUILDING, At.ELSEWHERE})


def _is_stranger(at: At, caller: Caller, held: frozenset[str]) -> bool:
    if at in PLATFORM and caller.is_super_admin:
        return False
    return not caller.is_known or at is At.ANOTHER or (caller.building is not None and at in PLACES and not held)


def rights_at(at: At, caller: Caller) -> frozenset[str]:
    """Return the caller's rights at the object of a route."""
    if at in PLATFORM and caller.is_super_admin:
        return ROLE_TABLE["super_admin"]
    if at in {At.PLATFORM, At.OPERATORS}:
        return frozenset()
    if at is At.TENANT and caller.building is not None:
        return caller.rights & ORGANIZATION_OF_A_PLACE
    if caller.building is None or at is At.LIST or caller.home is None:
        return caller.rights
    if at is At.BUILDING and caller.building == caller.home.school.building:
        return caller.rights
    return caller.rights & SITE_OF_A_BUILDING if at is At.SITE else frozenset()
