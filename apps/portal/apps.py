from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Pages for people in a browser."""

    name = "apps.portal"
