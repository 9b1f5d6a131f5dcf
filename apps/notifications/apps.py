from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Notifications: their recipients and channels. Nothing is sent yet."""

    name = "apps.notifications"
