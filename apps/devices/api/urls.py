"""Routes of devices and gateways, under /api/v1/."""

from django.urls import path

from apps.devices.api import oauth, views

urlpatterns = [
    path("oauth/token", oauth.token),
    path("edge/config", views.EdgeConfigurationView.as_view()),
]
