from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Alerts: ingest, life cycle, history, live feed."""

    name = "apps.alerts"

    def ready(self) -> None:
        """Register what occupies a place, which personal data alerts hold, and retention."""
        from apps.accounts.own_account import personal_data  # noqa: PLC0415 -- models are there only from here on
        from apps.alerts import retention as own  # noqa: PLC0415
        from apps.alerts.selectors import open_alerts_in  # noqa: PLC0415
        from apps.alerts.traces import events_of, notes_of  # noqa: PLC0415
        from apps.common import retention  # noqa: PLC0415
        from apps.tenancy import occupancy  # noqa: PLC0415

        occupancy.register("open_alerts", open_alerts_in)
        personal_data.register("alert_events", events_of)
        personal_data.register("alert_notes", notes_of)
        retention.register(*own.RULES)
