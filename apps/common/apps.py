from django.apps import AppConfig


class CommonConfig(AppConfig):
    """The base of all other apps."""

    name = "apps.common"
    verbose_name = "Record"

    def ready(self) -> None:
        """Register our bodies with drf-spectacular before it reads the first route."""
        from apps.common.openapi import bodies  # noqa: F401, PLC0415
