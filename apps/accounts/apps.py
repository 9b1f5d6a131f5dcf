from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, memberships, roles, tokens."""

    name = "apps.accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Tie browser sessions to sign-ins, and register what blocks requiring a second factor, and retention."""
        # Models are there only from here on.
        from apps.accounts.identity import retention  # noqa: PLC0415
        from apps.accounts.identity.second_factors import services as second_factors  # noqa: PLC0415
        from apps.accounts.identity.sign_in import browser  # noqa: PLC0415
        from apps.common.retention import register  # noqa: PLC0415
        from apps.tenancy.organizations import settings_checks  # noqa: PLC0415

        browser.connect()
        settings_checks.register(second_factors.require_own_before_asking)
        register(*retention.RULES)
