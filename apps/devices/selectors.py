"""Reads of devices and gateways."""

from uuid import UUID

from apps.devices.models import GatewayBuilding


def gateway_buildings(organization: UUID, gateway: UUID) -> frozenset[UUID]:
    """The buildings whose devices a gateway speaks for."""
    rows = GatewayBuilding.objects.filter(organization_id=organization, gateway_id=gateway)
    return frozenset(rows.values_list("building_id", flat=True))
