"""Routes of devices and gateways, under /api/v1/."""

from django.urls import path

from apps.common.csv.endpoints import table_paths
from apps.devices.api import oauth, troubles, views
from apps.devices.registration.device_import import import_devices
from apps.devices.registration.device_table import exported_devices

urlpatterns = [
    path("oauth/token", oauth.token),
    *table_paths(
        "devices",
        importer=import_devices,
        exporter=exported_devices,
        description="All lines or none. Unknown devices are registered, known devices get the values of their lines.",
    ),
    path("troubles", troubles.TroubleListView.as_view()),
    path("edge/config", views.EdgeConfigurationView.as_view()),
]
