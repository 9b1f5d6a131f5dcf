from django.apps import AppConfig


class CommonConfig(AppConfig):
    """What every other app stands on."""

    name = "apps.common"
