from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, memberships, roles, tokens."""

    name = "apps.accounts"
    verbose_name = "People"
