"""Reads of organizations, their settings and their places, limited to what is visible to the principal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypedDict, TypeVar, cast
from uuid import UUID

from django.db import connection, models

from apps.common.access import Principal, require, require_anywhere
from apps.common.db.scope import widen_scope
from apps.common.http.pagination import Page, PageQuery, cut, keyset_page
from apps.common.problems import NotFound
from apps.tenancy.models import Building, Floor, Organization, OrganizationStatus, Place, Room, Site
from apps.tenancy.occupancy import Extent
from apps.tenancy.organizations import organization_settings
from apps.tenancy.organizations.organization_settings import OrganizationSettings

P = TypeVar("P", bound=Place)

ORDER: Final[Mapping[type[models.Model], str]] = {
    Site: "name",
    Building: "name",
    Floor: "floor_number",
    Room: "room_number",
}
"""The sort key of each kind of place."""

_TREE: Final = Path(__file__).with_name("place_tree.sql").read_text()


class Location(TypedDict, total=False):
    """The place at which a right is required, for `access.require`."""

    building: UUID
    site: UUID


def location(place: Place) -> Location:
    """Return the building of a place; for a site, the site itself."""
    match place:
        case Site():
            return {"site": place.id}
        case Building():
            return {"building": place.id}
        case Floor():
            return {"building": place.building_id}
        case Room():
            return {"building": place.floor.building_id}


def organization_page(
    *, principal: Principal, statuses: Sequence[OrganizationStatus], query: PageQuery
) -> Page[Organization]:
    """Return organizations by name: the caller's own, or all for a super admin."""
    if principal.is_super_admin:
        return _platform_page(principal, statuses, query)
    own = [id_ for id_, grant in principal.grants.items() if grant.anywhere("organizations", "read")]
    return keyset_page(Organization.objects.filter(id__in=own, status__in=statuses), by="name", query=query)


def organization(*, principal: Principal, organization_id: UUID) -> Organization:
    """Return one organization: the caller's own, or any for a super admin. Raises NotFound, Forbidden."""
    if principal.is_super_admin:
        widen_scope([organization_id])
    else:
        require_anywhere(principal, organization_id, "organizations", "read")
    return existing_organization(organization_id)


def existing_organization(organization_id: UUID, *, lock: bool = False) -> Organization:
    """Return an organization in scope. Raises NotFound.

    `lock` locks its row until commit, without blocking alarms of the organization.
    """
    queryset = Organization.objects.filter(id=organization_id)
    found = (queryset.select_for_update(no_key=True) if lock else queryset).first()
    if found is None:
        raise NotFound()
    return found


def settings_of(organization_id: UUID) -> OrganizationSettings:
    """Return the settings of an organization in scope; the defaults if there is none."""
    stored = Organization.objects.filter(id=organization_id).values_list("settings", flat=True).first()
    return organization_settings.read(stored or {})


def readable_settings(*, principal: Principal, organization_id: UUID) -> OrganizationSettings:
    """Return the settings for a member of the organization. Raises NotFound, Forbidden."""
    require_anywhere(principal, organization_id, "organizations", "read")
    return settings_of(organization_id)


def site_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[Site]:
    """Return sites by name. Raises NotFound, Forbidden."""
    grant = require_anywhere(principal, organization_id, "places", "read")
    sites = Site.objects.filter(organization_id=organization_id)
    allowed = grant.sites("places", "read")
    return keyset_page(sites if allowed is None else sites.filter(id__in=allowed), by=ORDER[Site], query=query)


def building_page(*, principal: Principal, site_id: UUID, query: PageQuery) -> Page[Building]:
    """Return buildings of a site by name. Raises NotFound, Forbidden."""
    site = place(principal=principal, kind=Site, place_id=site_id)
    grant = require_anywhere(principal, site.organization_id, "places", "read")
    buildings = Building.objects.filter(organization_id=site.organization_id, site=site)
    allowed = grant.buildings("places", "read")
    return keyset_page(
        buildings if allowed is None else buildings.filter(id__in=allowed), by=ORDER[Building], query=query
    )


def floor_page(*, principal: Principal, building_id: UUID, query: PageQuery) -> Page[Floor]:
    """Return floors of a building, lowest first. Raises NotFound, Forbidden."""
    building = place(principal=principal, kind=Building, place_id=building_id)
    floors = Floor.objects.filter(organization_id=building.organization_id, building=building)
    return keyset_page(floors, by=ORDER[Floor], query=query)


def room_page(*, principal: Principal, floor_id: UUID, query: PageQuery) -> Page[Room]:
    """Return rooms of a floor by number. Raises NotFound, Forbidden."""
    floor = place(principal=principal, kind=Floor, place_id=floor_id)
    rooms = Room.objects.filter(organization_id=floor.organization_id, floor=floor)
    return keyset_page(rooms, by=ORDER[Room], query=query)


def place(*, principal: Principal, kind: type[P], place_id: UUID, action: str = "read", lock: bool = False) -> P:
    """Return a place at which the principal may do `action`. Raises NotFound, Forbidden.

    `lock` locks its row until commit; unless `action` is `delete`, no alarm waits for that lock.
    """
    queryset = cast("models.QuerySet[P]", kind.objects.filter(id=place_id))
    found = (queryset.select_for_update(no_key=action != "delete") if lock else queryset).first()
    if found is None:
        raise NotFound()
    require(principal, found.organization_id, "places", action, **location(found))
    return found


def place_tree(*, principal: Principal, organization_id: UUID) -> str:
    """Return the tree of visible places as JSON, read in one query. Raises NotFound, Forbidden."""
    grant = require_anywhere(principal, organization_id, "places", "read")
    sites, buildings = grant.sites("places", "read"), grant.buildings("places", "read")
    with connection.cursor() as cursor:
        cursor.execute(
            _TREE,
            {
                "organization": organization_id,
                "sites": None if sites is None else list(sites),
                "buildings": None if buildings is None else list(buildings),
            },
        )
        (tree,) = cursor.fetchone()
    return str(tree)


def locked_extent(place: Place) -> Extent:
    """Lock and return everything that is deleted with a place; nothing can be added there until commit."""
    mine = {"organization_id": place.organization_id}
    locked = {kind: _lock(kind, {**mine, path: place.id}) for kind, path in _BELOW[type(place)].items()}
    return Extent(place.organization_id, buildings=locked.get(Building, frozenset()), rooms=locked[Room])


_BELOW: Final[Mapping[type[Place], Mapping[type[Place], str]]] = {
    Site: {Building: "site_id", Floor: "building__site_id", Room: "floor__building__site_id"},
    Building: {Building: "id", Floor: "building_id", Room: "floor__building_id"},
    Floor: {Floor: "id", Room: "floor_id"},
    Room: {Room: "id"},
}
"""Paths to the places that are deleted with a place, larger ones first."""


def _lock(kind: type[Place], where: Mapping[str, UUID]) -> frozenset[UUID]:
    """Lock the rows of these places in a fixed order, which prevents deadlocks, and return their ids."""
    rows = kind.objects.filter(**where).select_for_update(of=("self",)).order_by("id")
    return frozenset(rows.values_list("id", flat=True))


def _platform_page(
    principal: Principal, statuses: Sequence[OrganizationStatus], query: PageQuery
) -> Page[Organization]:
    name, id_ = query.position.values if query.position else (None, None)
    rows = Organization.objects.raw(
        "SELECT * FROM platform_organizations(%s, %s, %s, %s, %s, %s)",
        [principal.id, [status.value for status in statuses], name, id_, query.backwards, query.limit + 1],
    )
    return cut(list(rows), query, key=lambda row: (row.name, row.id))
