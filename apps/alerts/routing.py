"""Routes of the live side."""

from django.urls import path

from apps.alerts import consumers

websocket_urlpatterns = [
    path("ws/alerts", consumers.AlertsConsumer.as_asgi()),
    path("ws/edge", consumers.EdgeConsumer.as_asgi()),
]
