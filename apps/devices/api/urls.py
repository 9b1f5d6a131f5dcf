"""Routes of devices and gateways, under /api/v1/."""

from django.urls import path

from apps.common.concurrency import bounded_transfer
from apps.devices.api import oauth, transfer, troubles, views

urlpatterns = [
    path("oauth/token", oauth.token),
    path(
        "organizations/<uuid:organization_id>/imports/devices", bounded_transfer(transfer.ImportDevicesView.as_view())
    ),
    path(
        "organizations/<uuid:organization_id>/exports/devices", bounded_transfer(transfer.ExportDevicesView.as_view())
    ),
    path("troubles", troubles.TroubleListView.as_view()),
    path("edge/config", views.EdgeConfigurationView.as_view()),
]
