"""What each caller must be answered: computed from what the route asks for and what the caller holds."""

from http import HTTPStatus

from tests.matrix.callers import ROLE_TABLE, Caller
from tests.matrix.entry import At, Entry


def expected_status(entry: Entry, caller: Caller) -> int:
    """The status of the answer."""
    for name, exception in entry.but.items():
        if caller.name.startswith(name):
            return exception.status
    refusal = _refusal(entry, caller)
    if refusal is None:
        return entry.ok
    if entry.is_page:
        return HTTPStatus.FOUND if refusal is HTTPStatus.UNAUTHORIZED else entry.ok
    return refusal


def may(entry: Entry, caller: Caller) -> bool:
    """Whether the caller has what the route asks for."""
    return _refusal(entry, caller) is None


def _refusal(entry: Entry, caller: Caller) -> HTTPStatus | None:
    if entry.at is At.OPEN:
        return None
    if not caller.kind:
        return HTTPStatus.UNAUTHORIZED
    if entry.at is At.SELF:
        return None if caller.kind in entry.kinds else HTTPStatus.FORBIDDEN
    is_platform = entry.at is At.PLATFORM and caller.is_super_admin
    if not (caller.is_known or is_platform) and entry.names_organization:
        return HTTPStatus.NOT_FOUND
    return None if entry.rights & _rights_there(entry.at, caller) else HTTPStatus.FORBIDDEN


def _rights_there(at: At, caller: Caller) -> frozenset[str]:
    """What the caller may do at what the route is about."""
    if at is At.PLATFORM:
        return ROLE_TABLE["super_admin"] if caller.is_super_admin else frozenset()
    everywhere = caller.building is None or at is At.LIST
    there = at is At.BUILDING and caller.building == caller.school.school.building
    return caller.rights if everywhere or there else frozenset()
