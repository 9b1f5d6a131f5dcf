"""Routes of devices and gateways, under /api/v1/."""

from django.urls import path

from apps.devices.api import oauth, transfer, views

urlpatterns = [
    path("oauth/token", oauth.token),
    path("organizations/<uuid:organization_id>/imports/devices", transfer.ImportDevicesView.as_view()),
    path("organizations/<uuid:organization_id>/exports/devices", transfer.ExportDevicesView.as_view()),
    path("edge/config", views.EdgeConfigurationView.as_view()),
]
