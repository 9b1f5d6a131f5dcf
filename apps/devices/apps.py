from django.apps import AppConfig

from apps.common.access import PrincipalKind


class DevicesConfig(AppConfig):
    """Buttons and gateways."""

    name = "apps.devices"

    def ready(self) -> None:
        """Say how a gateway's token becomes its principal."""
        from apps.accounts import principals  # noqa: PLC0415 -- models are there only from here on
        from apps.devices.gateways import principal_for  # noqa: PLC0415

        principals.register(PrincipalKind.GATEWAY, principal_for)
