"""Routes of alerts, under /api/v1/."""

from django.urls import path

from apps.alerts.api import edge, views

urlpatterns = [
    path("alerts", views.AlertListView.as_view()),
    path("alerts/<uuid:alert_uuid>", views.AlertView.as_view()),
    path("alerts/<uuid:alert_uuid>/acknowledge", views.AcknowledgeView.as_view()),
    path("alerts/<uuid:alert_uuid>/resolve", views.ResolveView.as_view()),
    path("drills", views.DrillsView.as_view()),
    path("edge/events", edge.EdgeEventsView.as_view()),
]
