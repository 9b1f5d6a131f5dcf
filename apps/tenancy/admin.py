"""Organizations and places in the admin."""

from django.contrib import admin
from django.db.models import Q

from apps.common.access import Grant
from apps.common.scoped_admin import ScopedAdmin
from apps.tenancy.models import Building, Floor, Organization, Room, Site


@admin.register(Organization)
class OrganizationAdmin(ScopedAdmin):
    """One's organizations."""

    resource = "organizations"
    organization = "id"
    list_display = ("name", "slug", "status", "created_at")
    search_fields = ("name", "slug")
    ordering = ("name", "id")

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Who may act at some of its places only reads of the organization too."""
        reads = resource == self.resource and action == "read" and grant.anywhere(resource, action)
        return Q(id=grant.organization_id) if reads else super().granted(grant, resource, action)


@admin.register(Site)
class SiteAdmin(ScopedAdmin):
    """Campuses."""

    resource = "places"
    site = "id"
    list_display = ("name", "address", "timezone")
    ordering = ("name", "id")


@admin.register(Building)
class BuildingAdmin(ScopedAdmin):
    """Buildings of a site."""

    resource = "places"
    building = "id"
    list_display = ("name", "site", "address", "floor_count")
    list_select_related = ("site",)
    ordering = ("name", "id")


@admin.register(Floor)
class FloorAdmin(ScopedAdmin):
    """Floors of a building."""

    resource = "places"
    building = "building_id"
    list_display = ("building", "floor_number", "name")
    list_select_related = ("building",)
    ordering = ("building__name", "floor_number")


@admin.register(Room)
class RoomAdmin(ScopedAdmin):
    """Rooms: where buttons hang."""

    resource = "places"
    building = "floor__building_id"
    list_display = ("room_number", "name", "floor", "room_type", "capacity")
    list_select_related = ("floor__building",)
    search_fields = ("room_number", "name")
    ordering = ("room_number", "id")
