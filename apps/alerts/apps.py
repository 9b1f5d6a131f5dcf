from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Alerts: ingest, life cycle, history, live feed."""

    name = "apps.alerts"
