"""Writes of organizations and places; in a scope that holds the organization's id."""

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.common import audit
from apps.common.access import Principal
from apps.common.problems import Conflict
from apps.tenancy.models import Building, Floor, Organization, Room, Site


class SlugTaken(Conflict):
    """Another organization has this slug, whatever its case."""

    code = "slug_taken"
    default_detail = "This slug is taken: choose another."


def create_organization(*, actor: Principal | None, organization_id: UUID, name: str, slug: str) -> Organization:
    """A new tenant, in a scope that already holds its id. Raises SlugTaken."""
    try:
        with transaction.atomic():
            organization = Organization.objects.create(id=organization_id, name=name, slug=slug)
    except IntegrityError:
        raise SlugTaken() from None
    _audit(actor, "organization", organization_id, organization_id)
    return organization


def create_site(*, actor: Principal | None, organization_id: UUID, name: str, address: str, timezone: str) -> Site:
    """A campus."""
    site = Site.objects.create(organization_id=organization_id, name=name, address=address, timezone=timezone)
    _audit(actor, "site", organization_id, site.id)
    return site


def create_building(*, actor: Principal | None, site: Site, name: str, floor_count: int = 1) -> Building:
    """A building of a site."""
    building = Building.objects.create(
        organization_id=site.organization_id, site=site, name=name, floor_count=floor_count
    )
    _audit(actor, "building", site.organization_id, building.id)
    return building


def create_floor(*, actor: Principal | None, building: Building, floor_number: int, name: str | None) -> Floor:
    """A floor of a building."""
    floor = Floor.objects.create(
        organization_id=building.organization_id, building=building, floor_number=floor_number, name=name
    )
    _audit(actor, "floor", building.organization_id, floor.id)
    return floor


def create_room(
    *, actor: Principal | None, floor: Floor, room_number: str, name: str | None = None, room_type: str | None = None
) -> Room:
    """A room of a floor."""
    room = Room.objects.create(
        organization_id=floor.organization_id, floor=floor, room_number=room_number, name=name, room_type=room_type
    )
    _audit(actor, "room", floor.organization_id, room.id)
    return room


def _audit(actor: Principal | None, kind: str, organization_id: UUID, target: UUID) -> None:
    audit.record(
        actor=actor,
        action=f"{kind}.create",
        target_kind=kind,
        target_id=target,
        organization_id=organization_id,
    )
