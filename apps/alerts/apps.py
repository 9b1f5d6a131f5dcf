from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Alerts: ingest, life cycle, history, live feed."""

    name = "apps.alerts"

    def ready(self) -> None:
        """Say what of ours stands at a place."""
        from apps.alerts.selectors import open_alerts_in  # noqa: PLC0415 -- models are there only from here on
        from apps.tenancy import occupancy  # noqa: PLC0415

        occupancy.register("open_alerts", open_alerts_in)
