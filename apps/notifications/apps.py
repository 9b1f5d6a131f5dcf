from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Who is told what over which channel; nothing is sent yet."""

    name = "apps.notifications"
