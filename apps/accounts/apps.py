from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, memberships, roles, tokens."""

    name = "apps.accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Let browsers' sessions stand on sign-ins."""
        from apps.accounts import browser  # noqa: PLC0415 -- models are there only from here on

        browser.connect()
