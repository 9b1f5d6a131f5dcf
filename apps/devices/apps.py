from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Buttons and gateways."""

    name = "apps.devices"
