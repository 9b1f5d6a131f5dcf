"""People as lines of a table: each identified by an e-mail address, with a role and where it applies.

A person with several places has one line for each.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q

from apps.accounts.models import Invitation, Membership, MembershipScope, Role
from apps.accounts.people import selectors
from apps.accounts.people.documents import PlacesDocument
from apps.common.access import Principal, require
from apps.common.csv.tables import Column, FreeText, Table, one_of, text
from apps.common.text import email_address
from apps.tenancy.models import Building, Site

CHUNK: Final = 500
LONGEST_EMAIL: Final = 255
MAX_LINES: Final = 1000
"""Limited because each new line sends an e-mail immediately."""


class PersonLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Without a site the role applies in the whole organization, or nowhere if `scope` is `places`."""

    email: str
    role: str
    scope: str | None = None
    site: str | None = None
    building: str | None = None


def _email(cell: str) -> str:
    address = email_address(cell)
    try:
        validate_email(address)
    except ValidationError:
        raise ValueError("Not an e-mail address.") from None
    return address


PEOPLE: Final = Table(
    [
        Column("email", FreeText(LONGEST_EMAIL, _email), is_required=True),
        Column("role", one_of([role.value for role in Role]), is_required=True),
        Column("scope", one_of([scope.value for scope in MembershipScope])),
        Column("site", text(200)),
        Column("building", text(200)),
    ],
    PersonLine,
    MAX_LINES,
)


def exported_people(*, principal: Principal, organization_id: UUID, now: datetime) -> Iterator[str]:
    """Export the members and invited people of an organization, without day accounts, as text of the table.

    Raises NotFound, Forbidden before the first line.
    """
    require(principal, organization_id, "exports", "read")
    require(principal, organization_id, "people", "read")
    return _stream(organization_id, now)


def _stream(organization_id: UUID, now: datetime) -> Iterator[str]:
    yield PEOPLE.head
    last: UUID | None = None
    while members := _members(organization_id, now, last):
        yield from PEOPLE.write(_member_lines(organization_id, members))
        last = members[-1].user_id
    yield from PEOPLE.write(_invitation_lines(organization_id))


def _members(organization_id: UUID, now: datetime, after: UUID | None) -> list[Membership]:
    here = Membership.objects.filter(organization_id=organization_id, trigger_only=False).select_related("user")
    here = here.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    return list((here.filter(user_id__gt=after) if after else here).order_by("user_id")[:CHUNK])


def _member_lines(organization_id: UUID, members: list[Membership]) -> Iterator[PersonLine]:
    places = selectors.places_of(members)
    names = _Names(organization_id, places.values())
    for one in members:
        yield from names.lines(one.user.email, one.role, one.scope, places.get(one.user_id, PlacesDocument()))


def _invitation_lines(organization_id: UUID) -> Iterator[PersonLine]:
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    invited = list(still_open.order_by("created_at", "id"))
    places = [PlacesDocument(one.site_ids, one.building_ids) for one in invited]
    names = _Names(organization_id, places)
    for one, held in zip(invited, places, strict=True):
        yield from names.lines(one.email, one.role, one.scope, held)


class _Names:
    """The names of the places where roles apply, read with two queries."""

    def __init__(self, organization_id: UUID, held: Iterable[PlacesDocument]) -> None:
        places = list(held)
        mine = {"organization_id": organization_id}
        sites = Site.objects.filter(**mine, id__in={id_ for one in places for id_ in one.sites})
        buildings = Building.objects.filter(**mine, id__in={id_ for one in places for id_ in one.buildings})
        self._places: dict[UUID, tuple[str, str | None]] = {one.id: (one.name, None) for one in sites}
        self._places |= {one.id: (one.site.name, one.name) for one in buildings.select_related("site")}

    def lines(self, email: str, role: str, scope: str, held: PlacesDocument) -> Iterator[PersonLine]:
        """Yield a line for each place of a person, or one line without a place."""
        ids = [id_ for id_ in (*held.sites, *held.buildings) if id_ in self._places]
        if not ids:
            yield PersonLine(email=email, role=role, scope=scope)
        for site, building in sorted((self._places[id_] for id_ in ids), key=str):
            yield PersonLine(email=email, role=role, scope=scope, site=site, building=building)
