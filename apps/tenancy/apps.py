from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Organizations and their places."""

    name = "apps.tenancy"
    verbose_name = "Places"
