"""Reads of people. The people of an organization are listed through its memberships only."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from apps.accounts.identity.users import NOWHERE
from apps.accounts.models import BuildingGrant, Invitation, Membership, MembershipScope, SiteGrant
from apps.accounts.people.documents import PlacesDocument
from apps.accounts.people.names import folded
from apps.common.access import Principal, require
from apps.common.http.pagination import Page, PageQuery, cut, keyset_page
from apps.common.problems import NotFound


def invitation_place(digest: bytes) -> tuple[UUID, UUID] | None:
    """Return organization and id of the invitation of a link's secret, before any tenant scope is open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id, id FROM invitation_by_digest(%s)", [digest])
        row: tuple[UUID, UUID] | None = cursor.fetchone()
        return row


def people_page(
    *,
    principal: Principal,
    organization_id: UUID,
    search: str = "",
    day_accounts: bool = False,
    query: PageQuery,
    now: datetime,
) -> Page[Membership]:
    """Return a page of an organization's people by name, or of its day accounts; `search` matches part of a name or
    e-mail address.

    The index of names gives the order and the position in the list, so a page reads only its own rows. Raises NotFound
    for non-members, Forbidden for callers without read access to people in the whole organization.
    """
    require(principal, organization_id, "people", "read")
    people = _present(organization_id, now)
    if day_accounts:
        people = people.filter(trigger_only=True)
    if search:
        found_by_email = Q(user__email__icontains=search) & ~Q(user__email__endswith=NOWHERE)
        people = people.filter(Q(name_key__contains=folded(search)) | found_by_email)
    if query.position is not None:
        way = "<" if query.backwards else ">"
        people = people.extra(  # noqa: S610 (a comparison of rows is what the index answers, and Django has none)
            where=[f"(user_organizations.name_key, user_organizations.user_id) {way} (%s, %s::uuid)"],
            params=list(query.position.values),
        )
    order = ("-name_key", "-user_id") if query.backwards else ("name_key", "user_id")
    rows = list(people.order_by(*order)[: query.limit + 1])
    return cut(rows, query, key=lambda membership: (membership.name_key, membership.user_id))


def person(*, principal: Principal, organization_id: UUID, user_id: UUID, now: datetime) -> Membership:
    """Return one person of an organization. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    found = _present(organization_id, now).filter(user_id=user_id).first()
    if found is None:
        raise NotFound()
    return found


def places_of(memberships: Iterable[Membership]) -> dict[UUID, PlacesDocument]:
    """Return the places of an organization's memberships of scope `places`, by person, with at most two queries."""
    narrowed = [one for one in memberships if one.scope == MembershipScope.PLACES]
    if not narrowed:
        return {}
    sites, buildings = (
        _granted(model, narrowed[0].organization_id, [one.user_id for one in narrowed])
        for model in (SiteGrant, BuildingGrant)
    )
    return {one.user_id: PlacesDocument(sites[one.user_id], buildings[one.user_id]) for one in narrowed}


def invitations_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[Invitation]:
    """Return a page of an organization's open invitations, newest first. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    return keyset_page(still_open, by="created_at", query=query, descending=True)


def invitation(*, principal: Principal, organization_id: UUID, invitation_id: UUID) -> Invitation:
    """Return one open invitation. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    found = still_open.filter(id=invitation_id).first()
    if found is None:
        raise NotFound()
    return found


def _present(organization_id: UUID, now: datetime) -> QuerySet[Membership]:
    """Return memberships that have not expired, with their people."""
    here = Membership.objects.filter(organization_id=organization_id).select_related("user")
    return here.filter(Q(expires_at=None) | Q(expires_at__gt=now))


def _granted(
    model: type[SiteGrant | BuildingGrant], organization_id: UUID, people: list[UUID]
) -> defaultdict[UUID, list[UUID]]:
    granted: defaultdict[UUID, list[UUID]] = defaultdict(list)
    rows = model.objects.filter(organization_id=organization_id, user_id__in=people).order_by("content_object_id")
    for user_id, place in rows.values_list("user_id", "content_object_id"):
        granted[user_id].append(place)
    return granted
