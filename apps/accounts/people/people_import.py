"""Import of people from a table: all lines or none.

New people are invited, existing people get the role and places of the table, and no one is removed. The audit trail has
a row for the import, with counts, and one for each person who was invited or changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import Invitation, Membership, MembershipScope, Role
from apps.accounts.people import invitations, memberships, selectors
from apps.accounts.people.documents import PlacesDocument
from apps.accounts.people.memberships import RoleAt
from apps.accounts.people.table import PEOPLE, PersonLine
from apps.common import audit
from apps.common.access import Principal, require
from apps.common.csv.endpoints import Imported
from apps.common.csv.tables import BadCell, Faults, Line
from apps.common.db.scope import rolled_back_if
from apps.common.problems import Conflict
from apps.tenancy import selectors as tenancy
from apps.tenancy.models import Site
from apps.tenancy.places.place_index import PlaceIndex


def import_people(
    *, actor: Principal, organization_id: UUID, body: bytes, now: datetime, dry_run: bool = False
) -> Imported:
    """Update the people of an organization and their places from a table. Raises NotFound, Forbidden, CsvRefused.

    E-mails are sent after commit, so a dry run sends none.
    """
    for action in ("create", "update", "delete"):
        require(actor, organization_id, "people", action)
    lines = PEOPLE.read(body)
    tenancy.existing_organization(organization_id, lock=True)  # one import at a time
    faults = Faults()
    people = _people(organization_id, lines, faults)
    with rolled_back_if(dry_run):
        done = _Import(actor, organization_id, now).apply(people, faults)
        audit.record(
            actor=actor,
            action=AuditAction.PEOPLE_IMPORTED,
            target_kind="organization",
            target_id=organization_id,
            organization_id=organization_id,
            created=done.created,
            updated=done.updated,
            unchanged=done.unchanged,
        )
    return done


@dataclass(slots=True)
class _Person:
    """The combined lines of one e-mail address; `line` is the first of them."""

    line: int
    email: str
    role: Role
    scope: MembershipScope
    sites: set[UUID] = field(default_factory=set)
    buildings: set[UUID] = field(default_factory=set)

    @property
    def held(self) -> RoleAt:
        """Return the role for the services."""
        return RoleAt(self.role, self.scope, frozenset(self.sites), frozenset(self.buildings))


def _people(organization_id: UUID, lines: Iterable[Line[PersonLine]], faults: Faults) -> list[_Person]:
    """Combine the lines of each person. Raises CsvRefused."""
    places = PlaceIndex(organization_id)
    people: dict[str, _Person] = {}
    for line in lines:
        row = line.row
        scope = row.scope or (MembershipScope.PLACES if row.site else MembershipScope.ORGANIZATION)
        new = _Person(line.number, row.email, Role(row.role), MembershipScope(scope))
        person = people.setdefault(row.email.lower(), new)
        try:
            _add(person, line, new, places)
        except BadCell as error:
            faults.add(line.number, error.column, str(error))
    faults.refuse()
    # New administrators first, so that the current last administrator can lose the role in the same import.
    return sorted(people.values(), key=lambda one: (one.role, one.scope) != (Role.ADMIN, MembershipScope.ORGANIZATION))


def _add(person: _Person, line: Line[PersonLine], parsed: _Person, places: PlaceIndex) -> None:
    """Add one line, parsed as `parsed`, to a person. Raises BadCell."""
    row = line.row
    if parsed.role != person.role:
        raise BadCell("role", f"In line {person.line} this person has another role.")
    if parsed.scope != person.scope:
        raise BadCell("scope", f"In line {person.line} this role applies elsewhere.")
    if row.site is None:
        if row.building is not None:
            raise BadCell("site", "Name the site too.")
        if parsed is not person:
            raise BadCell("email", f"The same person as in line {person.line}.")
        return
    if person.scope == MembershipScope.ORGANIZATION:
        raise BadCell("scope", "A role that applies in the whole organization has no site.")
    place = places.place(row.site, row.building)
    named = person.sites if isinstance(place, Site) else person.buildings
    if place.id in named or (parsed is not person and not person.sites | person.buildings):
        raise BadCell("email", f"The same person as in line {person.line}.")
    named.add(place.id)


class _Import:
    """Applies the people of one table."""

    def __init__(self, actor: Principal, organization_id: UUID, now: datetime) -> None:
        self._actor = actor
        self._organization = organization_id
        self._now = now
        here = Membership.objects.filter(organization_id=organization_id).select_related("user")
        self._members = {one.user.email.lower(): one for one in here}
        self._places = selectors.places_of(self._members.values())
        still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
        self._invited = {one.email.lower(): one for one in still_open}

    def apply(self, people: Iterable[_Person], faults: Faults) -> Imported:
        """Apply each person. Raises CsvRefused."""
        counts = {"created": 0, "updated": 0, "unchanged": 0}
        for person in people:
            try:
                counts[self._apply(person)] += 1
            except Conflict as problem:
                faults.add(person.line, "role", problem.detail)
        faults.refuse()
        return Imported(**counts)

    def _apply(self, person: _Person) -> str:
        """Apply one person; return the kind of change. Raises Conflict."""
        member, invitation = self._members.get(person.email.lower()), self._invited.get(person.email.lower())
        if member is not None:
            return self._update_member(member, person)
        if invitation is None:
            self._invite(person)
            return "created"
        if _held(invitation.role, invitation.scope, invitation.site_ids, invitation.building_ids) == person.held:
            return "unchanged"
        invitations.revoke(
            actor=self._actor, organization_id=self._organization, invitation_id=invitation.id, now=self._now
        )
        self._invite(person)
        return "updated"

    def _update_member(self, member: Membership, person: _Person) -> str:
        if member.trigger_only:
            raise memberships.DayAccountHasNoRole()
        places = self._places.get(member.user_id, PlacesDocument())
        if _held(member.role, member.scope, places.sites, places.buildings) == person.held:
            return "unchanged"
        memberships.change_role(
            actor=self._actor,
            user_id=member.user_id,
            organization_id=self._organization,
            held=person.held,
            if_match=None,
        )
        return "updated"

    def _invite(self, person: _Person) -> None:
        invitations.invite(
            actor=self._actor,
            organization_id=self._organization,
            email=person.email,
            held=person.held,
            now=self._now,
        )


def _held(role: str, scope: str, sites: Iterable[UUID], buildings: Iterable[UUID]) -> RoleAt:
    return RoleAt(Role(role), MembershipScope(scope), frozenset(sites), frozenset(buildings))
