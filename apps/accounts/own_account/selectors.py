"""Reads of one's own account."""

from collections import defaultdict
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.models import BuildingGrant, Membership, PushRegistration, SiteGrant
from apps.accounts.people.documents import PlacesDocument
from apps.common.access import Principal


def push_registrations(user_id: UUID) -> QuerySet[PushRegistration]:
    """Return a person's push registrations, oldest first."""
    return PushRegistration.objects.filter(user_id=user_id).order_by("id")


def own_push_registrations(principal: Principal) -> QuerySet[PushRegistration]:
    """Return the caller's own registrations; with a school's sign-in, only those made with that school's sign-in."""
    own = push_registrations(principal.id)
    return own if principal.only is None else own.filter(only_organization=principal.only)


def own_memberships(principal: Principal) -> list[Membership]:
    """Return the caller's memberships with current access, ordered by the organization's name."""
    own = Membership.objects.filter(user_id=principal.id, organization_id__in=principal.grants)
    return list(own.select_related("organization").order_by("organization__name", "organization_id"))


def own_places(user_id: UUID) -> dict[UUID, PlacesDocument]:
    """Return the places of a person's roles of scope `places`, by organization in scope, with two queries."""
    sites, buildings = (
        defaultdict[UUID, list[UUID]](list, _by_organization(model, user_id)) for model in (SiteGrant, BuildingGrant)
    )
    return {one: PlacesDocument(sites[one], buildings[one]) for one in {*sites, *buildings}}


def _by_organization(model: type[SiteGrant | BuildingGrant], user_id: UUID) -> dict[UUID, list[UUID]]:
    granted: defaultdict[UUID, list[UUID]] = defaultdict(list)
    rows = model.objects.filter(user_id=user_id).order_by("content_object_id")
    for organization, place in rows.values_list("organization_id", "content_object_id"):
        granted[organization].append(place)
    return granted
