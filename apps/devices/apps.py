from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Buttons and gateways."""

    name = "apps.devices"

    def ready(self) -> None:
        """Say how a gateway's token becomes its principal."""
        from apps.accounts import principals
        from apps.common.access import PrincipalKind
        from apps.devices.gateways import principal_for

        principals.register(PrincipalKind.GATEWAY, principal_for)
