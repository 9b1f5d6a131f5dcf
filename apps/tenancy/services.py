"""Writes of organizations and their places."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone as clock
from psycopg.errors import ForeignKeyViolation, UniqueViolation

from apps.common import audit, feed
from apps.common.access import Principal, require, require_super_admin
from apps.common.changes import record_change
from apps.common.db.scope import widen_scope
from apps.common.http.writes.etags import require_match
from apps.common.problems import Conflict, NotFound
from apps.tenancy import selectors
from apps.tenancy.audit_actions import AuditAction
from apps.tenancy.documents import organization_document, place_document
from apps.tenancy.models import Building, Floor, Organization, OrganizationStatus, Place, Room, Site
from apps.tenancy.occupancy import Extent, require_empty
from apps.tenancy.organizations import organization_settings, settings_checks
from apps.tenancy.organizations.organization_settings import OrganizationSettings

P = TypeVar("P", bound=Place)

UPDATED: Final[Mapping[type[Model], AuditAction]] = {
    Site: AuditAction.SITE_UPDATED,
    Building: AuditAction.BUILDING_UPDATED,
    Floor: AuditAction.FLOOR_UPDATED,
    Room: AuditAction.ROOM_UPDATED,
}
DELETED: Final[Mapping[type[Model], AuditAction]] = {
    Site: AuditAction.SITE_DELETED,
    Building: AuditAction.BUILDING_DELETED,
    Floor: AuditAction.FLOOR_DELETED,
    Room: AuditAction.ROOM_DELETED,
}


class SlugTaken(Conflict):
    """Another organization has this slug, whatever its case."""

    code = "slug_taken"
    default_detail = "This slug is taken: choose another."


class PlaceTaken(Conflict):
    """The building has a floor of this number, or the floor a room of it; `errors` names the field."""

    code = "place_taken"
    default_detail = "There is one with this number already."


class NotInThisStatus(Conflict):
    """The organization's status does not allow it: only an active one is suspended, only a deleted one undeleted."""

    code = "organization_status"


def create_organization(
    *,
    actor: Principal,
    organization_id: UUID,
    name: str,
    slug: str,
    metadata: Mapping[str, object] | None = None,
) -> Organization:
    """Create a tenant. Raises Forbidden, SlugTaken."""
    require_super_admin(actor)
    widen_scope([organization_id])
    with conflicts(SlugTaken, "slug"):
        organization = Organization.objects.create(id=organization_id, name=name, slug=slug.lower(), metadata=metadata)
    _record_organization(actor, organization, AuditAction.ORGANIZATION_CREATED)
    return organization


def update_organization(
    *, actor: Principal, organization_id: UUID, values: Mapping[str, object], if_match: str | None
) -> Organization:
    """Change name, slug or metadata. Raises NotFound, Forbidden, PreconditionFailed, SlugTaken."""
    require(actor, organization_id, "organizations", "update")
    organization = _locked_organization(organization_id, if_match)
    for name, value in values.items():
        setattr(organization, name, value.lower() if name == "slug" and isinstance(value, str) else value)
    organization.updated_at = clock.now()
    with conflicts(SlugTaken, "slug"):
        organization.save(update_fields=[*values, "updated_at"])
    _record_organization(actor, organization, AuditAction.ORGANIZATION_UPDATED)
    return organization


def delete_organization(*, actor: Principal, organization_id: UUID, if_match: str | None) -> None:
    """Delete softly: it has no members any more; its record stays and can be restored.

    Raises NotFound, Forbidden, PreconditionFailed, NotInThisStatus, PlaceInUse (suspend it instead).
    """
    _require_platform(actor, organization_id)
    organization = _locked_organization(organization_id, if_match)
    if organization.status == OrganizationStatus.DELETED:
        raise NotInThisStatus("This organization is deleted already.")
    require_empty(Extent(organization_id, is_everything=True))
    _become(actor, organization, OrganizationStatus.DELETED, AuditAction.ORGANIZATION_DELETED)


def suspend_organization(*, actor: Principal, organization_id: UUID, reason: str, if_match: str | None) -> Organization:
    """Limit its people to raising and answering alarms; `reason` is shown to them.

    Raises NotFound, Forbidden, PreconditionFailed, NotInThisStatus.
    """
    organization = _locked_by_platform(actor, organization_id, if_match, OrganizationStatus.ACTIVE)
    return _become(actor, organization, OrganizationStatus.SUSPENDED, AuditAction.ORGANIZATION_SUSPENDED, reason=reason)


def resume_organization(*, actor: Principal, organization_id: UUID, if_match: str | None) -> Organization:
    """End a suspension. Raises NotFound, Forbidden, PreconditionFailed, NotInThisStatus."""
    organization = _locked_by_platform(actor, organization_id, if_match, OrganizationStatus.SUSPENDED)
    return _become(actor, organization, OrganizationStatus.ACTIVE, AuditAction.ORGANIZATION_RESUMED)


def undelete_organization(*, actor: Principal, organization_id: UUID, if_match: str | None) -> Organization:
    """Restore a deleted organization as it was. Raises NotFound, Forbidden, PreconditionFailed, NotInThisStatus."""
    organization = _locked_by_platform(actor, organization_id, if_match, OrganizationStatus.DELETED)
    return _become(actor, organization, OrganizationStatus.ACTIVE, AuditAction.ORGANIZATION_UNDELETED)


def change_settings(
    *, actor: Principal, organization_id: UUID, changes: Mapping[str, object], if_match: str | None
) -> OrganizationSettings:
    """Change some of an organization's settings.

    Raises NotFound, Forbidden, PreconditionFailed, Invalid, and the problems of `settings_checks`.
    """
    require(actor, organization_id, "organizations", "update")
    organization = selectors.existing_organization(organization_id, lock=True)
    before = organization_settings.read(organization.settings)
    require_match(if_match, before.document())
    after = organization_settings.changed(before, dict(changes))
    settings_checks.require_allowed(actor, before, after)
    organization.settings = after.stored()
    organization.updated_at = clock.now()
    organization.save(update_fields=["settings", "updated_at"])
    _record_organization(
        actor, organization, AuditAction.ORGANIZATION_SETTINGS_CHANGED, settings=", ".join(sorted(changes))
    )
    return after


def create_site(
    *,
    actor: Principal,
    organization_id: UUID,
    name: str,
    address: str | None = None,
    latitude: Decimal | None = None,
    longitude: Decimal | None = None,
    timezone: str | None = None,
) -> Site:
    """Create a campus, by default in the organization's time zone. Raises NotFound, Forbidden."""
    require(actor, organization_id, "places", "create")
    site = Site.objects.create(
        organization_id=organization_id,
        name=name,
        address=address,
        latitude=latitude,
        longitude=longitude,
        timezone=timezone or selectors.settings_of(organization_id).timezone,
    )
    return _recorded(actor, site, AuditAction.SITE_CREATED)


def create_building(
    *, actor: Principal, site: Site, name: str, address: str | None = None, floor_count: int = 1
) -> Building:
    """Create a building of a site. Raises NotFound, Forbidden."""
    _require_create(actor, site)
    with conflicts():
        building = Building.objects.create(
            organization_id=site.organization_id, site=site, name=name, address=address, floor_count=floor_count
        )
    return _recorded(actor, building, AuditAction.BUILDING_CREATED)


def create_floor(*, actor: Principal, building: Building, floor_number: int, name: str | None = None) -> Floor:
    """Create a floor of a building. Raises NotFound, Forbidden, PlaceTaken."""
    _require_create(actor, building)
    with conflicts(PlaceTaken, "floor_number"):
        floor = Floor.objects.create(
            organization_id=building.organization_id, building=building, floor_number=floor_number, name=name
        )
    return _recorded(actor, floor, AuditAction.FLOOR_CREATED)


def create_room(*, actor: Principal, floor: Floor, room_number: str, **values: object) -> Room:
    """Create a room of a floor; `values` are its other fields by name. Raises NotFound, Forbidden, PlaceTaken."""
    _require_create(actor, floor)
    with conflicts(PlaceTaken, "room_number"):
        room = Room.objects.create(
            organization_id=floor.organization_id, floor=floor, room_number=room_number, **values
        )
    return _recorded(actor, room, AuditAction.ROOM_CREATED)


def update_place(
    *, actor: Principal, kind: type[P], place_id: UUID, values: Mapping[str, object], if_match: str | None
) -> P:
    """Change fields of a place; its parent does not change.

    Raises NotFound, Forbidden, PreconditionFailed, PlaceTaken.
    """
    place = selectors.place(principal=actor, kind=kind, place_id=place_id, action="update", lock=True)
    require_match(if_match, place_document(place))
    changed = {**values}
    if isinstance(place, Site) and "timezone" in values:
        changed["timezone"] = values["timezone"] or selectors.settings_of(place.organization_id).timezone
    if isinstance(place, Site | Building):
        changed["updated_at"] = clock.now()
    for name, value in changed.items():
        setattr(place, name, value)
    with conflicts(PlaceTaken, "room_number" if isinstance(place, Room) else "floor_number"):
        place.save(update_fields=list(changed))
    return _recorded(actor, place, UPDATED[kind])


def delete_place(*, actor: Principal, kind: type[P], place_id: UUID, if_match: str | None) -> None:
    """Delete a place and all places below it, unless a device or an open alert is there.

    Raises NotFound, Forbidden, PreconditionFailed, PlaceInUse.
    """
    place = selectors.place(principal=actor, kind=kind, place_id=place_id, action="delete", lock=True)
    require_match(if_match, place_document(place))
    extent = selectors.locked_extent(place)
    require_empty(extent)
    kind.objects.filter(id=place.id).delete()
    _recorded(actor, place, DELETED[kind], rooms=len(extent.rooms))


def _require_platform(actor: Principal, organization_id: UUID) -> None:
    """Require a platform operator for the life cycle of an organization; all other acts of theirs need a visit.

    Raises NotFound for anybody outside of the organization, Forbidden for a member.
    """
    if not actor.is_super_admin:
        require(actor, organization_id, "organizations", "delete")
    widen_scope([organization_id])


def _locked_organization(organization_id: UUID, if_match: str | None) -> Organization:
    organization = selectors.existing_organization(organization_id, lock=True)
    require_match(if_match, organization_document(organization))
    return organization


def _locked_by_platform(
    actor: Principal, organization_id: UUID, if_match: str | None, status: OrganizationStatus
) -> Organization:
    """Lock the organization for a platform operator. Raises NotInThisStatus if it has another status."""
    _require_platform(actor, organization_id)
    organization = _locked_organization(organization_id, if_match)
    if organization.status != status:
        raise NotInThisStatus(f"This organization is {organization.status}, not {status}.")
    return organization


def _become(
    actor: Principal,
    organization: Organization,
    status: OrganizationStatus,
    action: AuditAction,
    reason: str | None = None,
) -> Organization:
    organization.status = status
    organization.suspension_reason = reason
    organization.updated_at = clock.now()
    organization.save(update_fields=["status", "suspension_reason", "updated_at"])
    _record_organization(actor, organization, action, reason=reason)
    return organization


def _require_create(actor: Principal, parent: Place) -> None:
    require(actor, parent.organization_id, "places", "create", **selectors.location(parent))


@contextmanager
def conflicts(taken: type[Conflict] = PlaceTaken, field: str = "name") -> Iterator[None]:
    """Open a savepoint; raise `taken` at `field` for a duplicate key, NotFound for a parent deleted meanwhile."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, ForeignKeyViolation):
            raise NotFound() from None
        if isinstance(error.__cause__, UniqueViolation):
            raise taken(errors={field: [taken.default_detail]}) from None
        raise


def _record_organization(
    actor: Principal, organization: Organization, action: AuditAction, **detail: audit.Value
) -> None:
    record_change(
        actor=actor,
        action=action,
        target_kind="organization",
        target_id=organization.id,
        organization_id=organization.id,
        resource="organization",
        **detail,
    )


def _recorded(actor: Principal, place: P, action: AuditAction, **detail: audit.Value) -> P:
    """Record a change of a place in the audit trail and the feed, and return the place."""
    audit.record(
        actor=actor,
        action=action,
        target_kind=type(place).__name__.lower(),
        target_id=place.id,
        organization_id=place.organization_id,
        outcome=audit.DONE,
        **detail,
    )
    building = selectors.location(place).get("building")
    feed.announce_change(organization_id=place.organization_id, resource="places", id=place.id, building_id=building)
    return place
