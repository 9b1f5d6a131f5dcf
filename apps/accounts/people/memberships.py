"""Memberships: role, where it applies, display data, and removal.

A person's account is global and belongs to the person: functions here do not change it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from django.contrib.auth.models import Permission as PlacePermission
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import BuildingGrant, Membership, MembershipScope, Proof, Role, SiteGrant, User, UserStatus
from apps.accounts.people import selectors
from apps.accounts.people.departures import withdraw_what_they_made
from apps.accounts.people.documents import PlacesDocument, person_document
from apps.accounts.people.names import folded
from apps.common.access import Principal, require
from apps.common.changes import record_change
from apps.common.http.writes.etags import require_match
from apps.common.problems import Conflict, Invalid, NotFound
from apps.tenancy.models import Building, Organization, Site


class LastAdmin(Conflict):
    """The organization would be left without an administrator."""

    code = "last_admin"
    default_detail = "This is the last administrator of the organization: make another person an administrator first."


class AlreadyMember(Conflict):
    """The person has a role in this organization."""

    code = "already_member"
    default_detail = "This person belongs to the organization already."


class DayAccountHasNoRole(Conflict):
    """The permissions of a day account are fixed."""

    code = "day_account"
    default_detail = "A day account can only raise alarms: invite the person instead."


class RoleAt(msgspec.Struct, frozen=True):
    """A role, and where it applies: everywhere, or at the given sites and buildings."""

    role: Role
    scope: MembershipScope = MembershipScope.ORGANIZATION
    sites: frozenset[UUID] = frozenset()
    buildings: frozenset[UUID] = frozenset()

    def __post_init__(self) -> None:
        """Raise Invalid for places with a role that applies everywhere."""
        for name, places in (("sites", self.sites), ("buildings", self.buildings)):
            if places and self.scope == MembershipScope.ORGANIZATION:
                raise Invalid(errors={name: ["Only for scope `places`."]})


class RoleChange(msgspec.Struct, frozen=True):
    """Changes of a role and where it applies; None leaves a value unchanged."""

    role: Role | None = None
    scope: MembershipScope | None = None
    sites: frozenset[UUID] | None = None
    buildings: frozenset[UUID] | None = None

    def applied_to(self, held: RoleAt) -> RoleAt:
        """Return the changed role. A role that now applies everywhere loses its places. Raises Invalid."""
        scope = self.scope or held.scope
        kept = held if scope == MembershipScope.PLACES else RoleAt(held.role)
        return RoleAt(
            role=self.role or held.role,
            scope=scope,
            sites=kept.sites if self.sites is None else self.sites,
            buildings=kept.buildings if self.buildings is None else self.buildings,
        )


def add(*, actor: Principal, user_id: UUID, organization_id: UUID, held: RoleAt) -> Membership:
    """Give a person who is visible to the actor in one organization a role in another.

    Other people join with an invitation. Raises NotFound, Forbidden, Invalid, AlreadyMember.
    """
    require(actor, organization_id, "people", "create")
    seen_in = [one for one in actor.grants if ("people", "read") in actor.grants[one].permissions]
    known = Membership.objects.filter(user_id=user_id, organization_id__in=seen_in).select_related("user").first()
    if known is None:
        raise NotFound()
    require_places(organization_id, held)
    membership = add_membership(
        user=known.user, organization_id=organization_id, role=held.role, scope=held.scope, actor=actor
    )
    grant_places(membership, held)
    return membership


def show(
    *, actor: Principal, user_id: UUID, organization_id: UUID, changes: dict[str, str | None], if_match: str | None
) -> Membership:
    """Change a person's `name` and `title` in the organization. Raises NotFound, Forbidden, PreconditionFailed."""
    require(actor, organization_id, "people", "update")
    membership = _locked(organization_id, user_id, if_match)
    for field, value in changes.items():
        setattr(membership, field, value)
    membership.name_key = folded(membership.name)
    membership.save(update_fields=["name", "name_key", "title"])
    _record(actor, membership, AuditAction.PERSON_UPDATED, fields=", ".join(sorted(changes)))
    return membership


def change_role(
    *, actor: Principal, user_id: UUID, organization_id: UUID, held: RoleAt | RoleChange, if_match: str | None
) -> Membership:
    """Change a role or its places. Raises NotFound, Forbidden, Invalid, PreconditionFailed, LastAdmin."""
    require(actor, organization_id, "people", "update")
    _lock_admins([organization_id])
    membership = _locked(organization_id, user_id, if_match)
    if membership.trigger_only:
        raise DayAccountHasNoRole()
    if isinstance(held, RoleChange):
        held = held.applied_to(held_by(membership))
    require_places(organization_id, held)
    if (held.role, held.scope) != (Role.ADMIN, MembershipScope.ORGANIZATION):
        require_other_admin([organization_id], user_id)
    before = membership.role
    membership.role, membership.scope = held.role, held.scope
    membership.save(update_fields=["role", "scope"])
    grant_places(membership, held)
    withdraw_what_they_made(actor=actor, user_id=user_id, organization_id=organization_id, now=timezone.now())
    _record(actor, membership, AuditAction.MEMBERSHIP_CHANGED, role=held.role, role_before=before, scope=held.scope)
    return membership


def end(*, actor: Principal, user_id: UUID, organization_id: UUID, if_match: str | None = None) -> None:
    """Remove the person from this organization; their account and other memberships do not change.

    A day account is closed, and the service tokens and open invitations that the person created there are revoked.
    Raises NotFound, Forbidden, PreconditionFailed, LastAdmin.
    """
    require(actor, organization_id, "people", "delete")
    _lock_admins([organization_id])
    membership = _locked(organization_id, user_id, if_match)
    require_other_admin([organization_id], user_id)
    Membership.objects.filter(user_id=user_id, organization_id=organization_id).delete()
    if membership.trigger_only:
        _close(user_id)
    withdraw_what_they_made(actor=actor, user_id=user_id, organization_id=organization_id, now=timezone.now())
    _record(actor, membership, AuditAction.MEMBERSHIP_ENDED, role=membership.role)


def held_by(membership: Membership) -> RoleAt:
    """Return the role of a membership, and where it applies."""
    places = selectors.places_of([membership]).get(membership.user_id, PlacesDocument())
    return RoleAt(
        Role(membership.role),
        MembershipScope(membership.scope),
        frozenset(places.sites),
        frozenset(places.buildings),
    )


def require_other_admin(organizations: Iterable[UUID], leaving: UUID, *, now: datetime | None = None) -> None:
    """Refuse a change that leaves an organization without an administrator. Locks the organizations until commit.

    Raises LastAdmin, which names the organizations.
    """
    organizations = _lock_admins(organizations)
    able = admins(now or timezone.now()).filter(organization_id__in=organizations)
    others = set(able.exclude(user_id=leaving).values_list("organization_id", flat=True))
    alone = set(able.filter(user_id=leaving).values_list("organization_id", flat=True)) - others
    if alone:
        raise LastAdmin(organizations=sorted(str(organization) for organization in alone))


def admins(now: datetime) -> QuerySet[Membership]:
    """Return current memberships of active people in scope with the admin role in the whole organization."""
    return Membership.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        role=Role.ADMIN,
        scope=MembershipScope.ORGANIZATION,
        user__status=UserStatus.ACTIVE,
    )


def require_places(organization_id: UUID, held: RoleAt) -> None:
    """Raise Invalid for a place that does not belong to the organization."""
    for field, model, named in (("sites", Site, held.sites), ("buildings", Building, held.buildings)):
        found = set(model.objects.filter(organization_id=organization_id, id__in=named).values_list("id", flat=True))
        if named - found:
            raise Invalid(errors={field: ["There is no such place in this organization."]})


def grant_places(membership: Membership, held: RoleAt) -> None:
    """Grant the role at exactly these places. Places that were deleted meanwhile are left out."""
    for model, place, named in ((SiteGrant, Site, held.sites), (BuildingGrant, Building, held.buildings)):
        own = {"user_id": membership.user_id, "organization_id": membership.organization_id}
        model.objects.filter(**own).delete()
        found = place.objects.filter(organization_id=membership.organization_id, id__in=named)
        permission = _place_permission(place, held.role) if named else None
        model.objects.bulk_create([model(**own, content_object_id=one.pk, permission=permission) for one in found])


def add_membership(
    *,
    actor: Principal,
    user: User,
    organization_id: UUID,
    role: Role,
    scope: MembershipScope = MembershipScope.ORGANIZATION,
    trigger_only: bool = False,
    expires_at: datetime | None = None,
) -> Membership:
    """Give a person a role in an organization of the caller's scope. Raises AlreadyMember.

    With `trigger_only`, which requires `expires_at`, it is a day account.
    """
    try:
        with transaction.atomic():
            membership = Membership.objects.create(
                user=user,
                organization_id=organization_id,
                role=role,
                scope=scope,
                created_at=timezone.now(),
                name=user.full_name,
                name_key=folded(user.full_name),
                trigger_only=trigger_only,
                expires_at=expires_at,
            )
    except IntegrityError:
        raise AlreadyMember() from None
    _record(actor, membership, AuditAction.MEMBERSHIP_ADDED, role=role, scope=scope)
    return membership


def _close(user_id: UUID) -> None:
    """Close the user of a day account: signing in and all of its tokens stop working."""
    sign_in.end_sign_ins(user_id, now=timezone.now())
    User.objects.filter(pk=user_id).update(status=UserStatus.DELETED)
    Proof.objects.filter(user_id=user_id).delete()


def _place_permission(place: type[Site | Building], role: Role) -> PlacePermission:
    return PlacePermission.objects.get(
        codename=f"as_{role}", content_type__app_label="tenancy", content_type__model=place._meta.model_name
    )


def _lock_admins(organizations: Iterable[UUID]) -> Collection[UUID]:
    """Lock organizations, in sorted order, so that their administrators change one at a time."""
    return list(
        Organization.objects.select_for_update(no_key=True)
        .filter(id__in=list(organizations))
        .order_by("id")
        .values_list("id", flat=True)
    )


def _locked(organization_id: UUID, user_id: UUID, if_match: str | None) -> Membership:
    membership = (
        Membership.objects.select_for_update(of=["self"])
        .select_related("user")
        .filter(organization_id=organization_id, user_id=user_id)
        .first()
    )
    if membership is None:
        raise NotFound()
    require_match(if_match, person_document(membership, selectors.places_of([membership])))
    return membership


def _record(actor: Principal, membership: Membership, action: AuditAction, **detail: str) -> None:
    record_change(
        actor=actor,
        action=action,
        target_kind="user",
        target_id=membership.user_id,
        organization_id=membership.organization_id,
        resource="people",
        **detail,
    )
