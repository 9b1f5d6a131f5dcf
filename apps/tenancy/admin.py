"""Admin pages of organizations and places, which use the same services as the API."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html_join

from apps.common.access import Grant, Principal
from apps.common.http.writes.etags import etag_of
from apps.common.model_admin.scoped import caller
from apps.common.model_admin.services import ServiceAdmin, Values
from apps.tenancy import services
from apps.tenancy.api import serializers
from apps.tenancy.documents import (
    BuildingDocument,
    FloorDocument,
    RoomDocument,
    SiteDocument,
    changeable,
    organization_document,
    place_document,
)
from apps.tenancy.models import Building, Floor, Organization, Place, Room, Site
from apps.tenancy.organizations import organization_settings
from apps.tenancy.organizations.settings_form import SETTINGS, OrganizationForm


@admin.register(Organization)
class OrganizationAdmin(ServiceAdmin):
    """The caller's organizations: their names and their settings."""

    resource = "organizations"
    organization = "id"
    body = serializers.OrganizationSerializer
    form = OrganizationForm
    list_display = ("name", "slug", "status", "created_at")
    search_fields = ("name", "slug")
    ordering = ("name", "id")
    fields = ("name", "slug", "status", "suspension_reason", *SETTINGS)
    read_fields = ("name", "slug", "status", "suspension_reason", "decided")
    readonly_fields = ("status", "suspension_reason")

    @admin.display(description="Settings")
    def decided(self, organization: Organization) -> str:
        """All settings with their present values."""
        document = organization_settings.read(organization.settings).document()
        rows = ((name.replace("_", " ").capitalize(), _words(document[name])) for name in SETTINGS)
        return format_html_join("", "<div>{}: {}</div>", rows)

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Let a role that is limited to places read the organization too."""
        reads = resource == self.resource and action == "read" and grant.anywhere(resource, action)
        return Q(id=grant.organization_id) if reads else super().granted(grant, resource, action)

    def may(self, request: HttpRequest, action: str, obj: Any) -> bool:
        """Let a role that is limited to places read this organization."""
        grant = caller(request).grants.get(obj.id) if obj is not None else None
        reads = action == "read" and grant is not None and grant.anywhere(self.resource, action)
        return reads or super().may(request, action, obj)

    def update(self, principal: Principal, obj: Organization, values: Values, seen: str | None) -> Organization:
        """Update name and settings with their own services: they are two resources in the API too."""
        name_seen, _, settings_seen = (seen or "").partition(" ")
        names = {name: value for name, value in values.items() if name not in SETTINGS}
        changes = {name: value for name, value in values.items() if name in SETTINGS}
        if names:
            obj = services.update_organization(
                actor=principal, organization_id=obj.id, values=names, if_match=name_seen or None
            )
        if changes:
            services.change_settings(
                actor=principal, organization_id=obj.id, changes=changes, if_match=settings_seen or None
            )
        return obj

    def seen(self, obj: Organization) -> str:
        """Return the entity tags of both representations."""
        settings = organization_settings.read(obj.settings).document()
        return f"{etag_of(organization_document(obj))} {etag_of(settings)}"


class PlaceAdmin(ServiceAdmin):
    """Base admin of a kind of place."""

    resource = "places"
    below: Mapping[str, Callable[[Any], int]] = {}
    """Counts of what is deleted with a place."""

    def create(self, principal: Principal, values: Values) -> Place:
        """Create a place below its parent."""
        rest = {name: value for name, value in values.items() if name != self.parent}
        return self.make(principal, values[self.parent], rest)

    def make(self, principal: Principal, parent: Any, values: Values) -> Place:
        """Create a place with the service of its kind."""
        raise NotImplementedError

    def update(self, principal: Principal, obj: Any, values: Values, seen: str | None) -> Place:
        """Update the fields of a place."""
        place: Place = services.update_place(
            actor=principal, kind=self.model, place_id=obj.pk, values=values, if_match=seen
        )
        return place

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """Delete a place and all places below it; refused while it has devices or open alerts."""
        services.delete_place(actor=caller(request), kind=self.model, place_id=obj.pk, if_match=None)

    def document(self, obj: Any) -> object:
        """Return the representation of a place."""
        return place_document(obj)

    def goes_with(self, obj: Any) -> dict[str, int]:
        """Count the places below a place."""
        return {name: count for name, rows in self.below.items() if (count := rows(obj))}


def _words(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _rooms(**where: object) -> int:
    return Room.objects.filter(**where).count()


@admin.register(Site)
class SiteAdmin(PlaceAdmin):
    """Campuses."""

    site = "id"
    parent = "organization"
    body = serializers.SiteSerializer
    list_display = ("name", "address", "timezone")
    ordering = ("name", "id")
    fields = changeable(SiteDocument)
    below = {
        "buildings": lambda site: Building.objects.filter(site=site).count(),
        "rooms": lambda site: _rooms(floor__building__site=site),
    }

    def make(self, principal: Principal, parent: Organization, values: Values) -> Site:
        """Create a site of the organization."""
        return services.create_site(actor=principal, organization_id=parent.id, **values)


@admin.register(Building)
class BuildingAdmin(PlaceAdmin):
    """Buildings of a site."""

    building = "id"
    parent = "site"
    body = serializers.BuildingSerializer
    list_display = ("name", "site", "address", "floor_count")
    list_select_related = ("site",)
    ordering = ("name", "id")
    fields = changeable(BuildingDocument)
    below = {
        "floors": lambda building: Floor.objects.filter(building=building).count(),
        "rooms": lambda building: _rooms(floor__building=building),
    }

    def make(self, principal: Principal, parent: Site, values: Values) -> Building:
        """Create a building of the site."""
        return services.create_building(actor=principal, site=parent, **values)


@admin.register(Floor)
class FloorAdmin(PlaceAdmin):
    """Floors of a building."""

    building = "building_id"
    parent = "building"
    body = serializers.FloorSerializer
    list_display = ("floor_number", "name", "building")
    list_select_related = ("building__site",)
    ordering = ("building__name", "floor_number")
    fields = changeable(FloorDocument)
    below = {"rooms": lambda floor: _rooms(floor=floor)}

    def make(self, principal: Principal, parent: Building, values: Values) -> Floor:
        """Create a floor of the building."""
        return services.create_floor(actor=principal, building=parent, **values)


@admin.register(Room)
class RoomAdmin(PlaceAdmin):
    """Rooms, where buttons are installed."""

    building = "floor__building_id"
    parent = "floor"
    body = serializers.RoomSerializer
    list_display = ("room_number", "name", "floor", "room_type", "capacity")
    list_select_related = ("floor__building",)
    search_fields = ("room_number", "name")
    ordering = ("room_number", "id")
    fields = changeable(RoomDocument)

    def make(self, principal: Principal, parent: Floor, values: Values) -> Room:
        """Create a room of the floor."""
        return services.create_room(actor=principal, floor=parent, **values)
