"""Reads of devices and gateways."""

from uuid import UUID

from apps.devices.models import Device, DeviceStatus, Gateway, GatewayBuilding
from apps.tenancy.occupancy import Extent


def gateway_buildings(organization: UUID, gateway: UUID) -> frozenset[UUID]:
    """The buildings whose devices a gateway speaks for."""
    rows = GatewayBuilding.objects.filter(organization_id=organization, gateway_id=gateway)
    return frozenset(rows.values_list("building_id", flat=True))


def devices_in(extent: Extent) -> list[str]:
    """The hardware ids of the devices that would lose their room; one that is decommissioned has none to lose."""
    devices = Device.objects.filter(organization_id=extent.organization_id).exclude(status=DeviceStatus.DECOMMISSIONED)
    if not extent.is_everything:
        devices = devices.filter(room_id__in=extent.rooms)
    return list(devices.order_by("device_id").values_list("device_id", flat=True))


def gateways_in(extent: Extent) -> list[str]:
    """The names of the gateways that would lose a building for which they speak."""
    gateways = Gateway.objects.filter(organization_id=extent.organization_id)
    if not extent.is_everything:
        spoken_for = GatewayBuilding.objects.filter(
            organization_id=extent.organization_id, building_id__in=extent.buildings
        )
        gateways = gateways.filter(id__in=spoken_for.values("gateway_id"))
    return list(gateways.order_by("name", "id").values_list("name", flat=True))
