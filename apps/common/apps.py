from django.apps import AppConfig


class CommonConfig(AppConfig):
    """What every other app stands on."""

    name = "apps.common"
    verbose_name = "Record"

    def ready(self) -> None:
        """Tell drf-spectacular how our bodies differ from DRF's, before it reads the first route."""
        from apps.common.openapi import bodies  # noqa: F401, PLC0415
