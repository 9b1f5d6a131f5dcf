"""Routes of organizations and places, under /api/v1/."""

from django.urls import path

from apps.common.csv.endpoints import table_paths
from apps.tenancy.api import organizations, places
from apps.tenancy.places.place_import import import_places
from apps.tenancy.places.place_table import exported_places

urlpatterns = [
    path("organizations", organizations.OrganizationsView.as_view()),
    path("organizations/<uuid:organization_id>", organizations.OrganizationView.as_view()),
    path("organizations/<uuid:organization_id>/suspend", organizations.SuspendView.as_view()),
    path("organizations/<uuid:organization_id>/resume", organizations.ResumeView.as_view()),
    path("organizations/<uuid:organization_id>/undelete", organizations.UndeleteView.as_view()),
    path("organizations/<uuid:organization_id>/settings", organizations.SettingsView.as_view()),
    path("organizations/<uuid:organization_id>/tree", organizations.TreeView.as_view()),
    *table_paths(
        "places",
        importer=import_places,
        exporter=exported_places,
        description="All lines or none. Missing places are created, existing places get the values of their lines.",
    ),
    path("organizations/<uuid:parent_id>/sites", places.SitesView.as_view()),
    path("sites/<uuid:place_id>", places.SiteView.as_view()),
    path("sites/<uuid:parent_id>/buildings", places.BuildingsView.as_view()),
    path("buildings/<uuid:place_id>", places.BuildingView.as_view()),
    path("buildings/<uuid:parent_id>/floors", places.FloorsView.as_view()),
    path("floors/<uuid:place_id>", places.FloorView.as_view()),
    path("floors/<uuid:parent_id>/rooms", places.RoomsView.as_view()),
    path("rooms/<uuid:place_id>", places.RoomView.as_view()),
]
