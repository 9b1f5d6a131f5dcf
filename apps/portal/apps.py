from django.apps import AppConfig


class PortalConfig(AppConfig):
    """What people see in a browser."""

    name = "apps.portal"
