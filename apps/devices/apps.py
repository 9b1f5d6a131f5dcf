from django.apps import AppConfig

from apps.common.access import PrincipalKind


class DevicesConfig(AppConfig):
    """Buttons and gateways."""

    name = "apps.devices"

    def ready(self) -> None:
        """Register gateway principals, occupancy of places, the doctor's checks, the supervision and retention."""
        from apps.accounts.identity.principals import principals  # noqa: PLC0415 -- models are loaded only now
        from apps.common import retention  # noqa: PLC0415
        from apps.common.operations import findings, sweeps  # noqa: PLC0415
        from apps.devices import retention as own  # noqa: PLC0415
        from apps.devices.gateways.authentication import principals_of  # noqa: PLC0415
        from apps.devices.selectors import devices_in, gateways_in  # noqa: PLC0415
        from apps.devices.supervision import doctor, supervision  # noqa: PLC0415
        from apps.tenancy import occupancy  # noqa: PLC0415

        principals.register(PrincipalKind.GATEWAY, principals_of)
        occupancy.register("devices", devices_in)
        occupancy.register("gateways", gateways_in)
        findings.register(doctor.examine)
        sweeps.register(supervision.SWEEP, supervision.sweep, interval=supervision.SWEEP_EVERY)
        retention.register(*own.RULES)
