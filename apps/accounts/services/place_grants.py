"""At which sites and buildings a person's role holds whose membership is narrowed to places."""

from uuid import UUID

from django.contrib.auth.models import Permission as PlacePermission
from django.utils import timezone

from apps.accounts.models import BuildingGrant, Membership, MembershipScope, Role, SiteGrant
from apps.common import audit, feed
from apps.common.access import Principal, require
from apps.common.problems import Conflict, NotFound
from apps.tenancy.models import Building, Site

RANK = {role: rank for rank, role in enumerate(Role)}


class MemberNotFound(NotFound):
    """Nobody of this organization."""

    code = "member_not_found"
    default_detail = "There is nobody here with this id."


class PlaceNotFound(NotFound):
    """No site or building of this organization."""

    code = "place_not_found"
    default_detail = "There is no site or building here with this id."


class MembershipNotNarrowed(Conflict):
    """The person's role holds in the whole organization."""

    code = "membership_not_narrowed"
    default_detail = "This person's role holds in the whole organization: set their scope to `places` first."


class RoleAboveMembership(Conflict):
    """At a place nobody is more than their membership says."""

    code = "role_above_membership"
    default_detail = "This is more than the person's role in the organization: raise that first."


def grant_place(*, principal: Principal, organization_id: UUID, user_id: UUID, place_id: UUID, role: Role) -> None:
    """Let a person's role hold at a site or building, as `role`; a role that they had there is replaced.

    Raises NotFound, Forbidden, MembershipNotNarrowed or RoleAboveMembership.
    """
    require(principal, organization_id, "people", "update")
    membership = _locked_membership(organization_id, user_id)
    if membership.scope != MembershipScope.PLACES:
        raise MembershipNotNarrowed()
    if RANK[role] < RANK[Role(membership.role)]:
        raise RoleAboveMembership()
    place = _place(organization_id, place_id)
    if put_role(membership=membership, place=place, role=role):
        _tell(principal, organization_id, user_id, "place_role.granted", place_id, role)


def revoke_place(*, principal: Principal, organization_id: UUID, user_id: UUID, place_id: UUID) -> None:
    """End a person's role at a site or building. A place where they have none is no error. Raises like the above."""
    require(principal, organization_id, "people", "update")
    _locked_membership(organization_id, user_id)
    removed = [
        grants.objects.filter(organization_id=organization_id, user_id=user_id, content_object_id=place_id).delete()[0]
        for grants in (SiteGrant, BuildingGrant)
    ]
    if any(removed):
        _tell(principal, organization_id, user_id, "place_role.revoked", place_id, None)


def put_role(*, membership: Membership, place: Site | Building, role: Role) -> bool:
    """Write the role, without a word of it; False where it was so. For who has checked and tells it otherwise."""
    grants = SiteGrant if isinstance(place, Site) else BuildingGrant
    kind = place._meta.model_name
    permission = PlacePermission.objects.get(content_type__model=kind, codename=f"as_{role}")
    own = grants.objects.filter(user_id=membership.user_id, content_object=place)
    if own.filter(permission=permission).exists():
        return False
    if not own.update(permission=permission):
        grants.objects.create(
            organization_id=membership.organization_id,
            user_id=membership.user_id,
            permission=permission,
            content_object=place,
            created_at=timezone.now(),
        )
    return True


def _locked_membership(organization_id: UUID, user_id: UUID) -> Membership:
    membership = (
        Membership.objects.select_for_update(no_key=True)
        .filter(organization_id=organization_id, user_id=user_id)
        .first()
    )
    if membership is None:
        raise MemberNotFound()
    return membership


def _place(organization_id: UUID, place_id: UUID) -> Site | Building:
    place = (
        Site.objects.filter(organization_id=organization_id, id=place_id).first()
        or Building.objects.filter(organization_id=organization_id, id=place_id).first()
    )
    if place is None:
        raise PlaceNotFound()
    return place


def _tell(
    principal: Principal, organization_id: UUID, user_id: UUID, action: str, place_id: UUID, role: Role | None
) -> None:
    audit.record(
        actor=principal,
        action=action,
        target_kind="user",
        target_id=user_id,
        organization_id=organization_id,
        place=str(place_id),
        role=role,
    )
    feed.announce_change(organization_id=organization_id, resource="people", id=user_id)
