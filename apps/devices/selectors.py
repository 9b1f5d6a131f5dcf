"""Reads of devices, gateways and troubles."""

from uuid import UUID

from django.db.models import Q
from django.db.models.expressions import RawSQL

from apps.common.access import Grant, Principal, require_anywhere
from apps.common.http.pagination import Page, PageQuery, keyset_page
from apps.devices.models import Device, DeviceStatus, Gateway, GatewayBuilding, Trouble
from apps.tenancy.occupancy import Extent


def gateway_buildings(organization: UUID, gateway: UUID) -> frozenset[UUID]:
    """Return the buildings whose devices a gateway reports for."""
    rows = GatewayBuilding.objects.filter(organization_id=organization, gateway_id=gateway)
    return frozenset(rows.values_list("building_id", flat=True))


def devices_in(extent: Extent) -> list[str]:
    """Return the hardware ids of devices that would lose their room; decommissioned ones do not count."""
    devices = Device.objects.filter(organization_id=extent.organization_id).exclude(status=DeviceStatus.DECOMMISSIONED)
    if not extent.is_everything:
        devices = devices.filter(room_id__in=extent.rooms)
    return list(devices.order_by("device_id").values_list("device_id", flat=True))


def gateways_in(extent: Extent) -> list[str]:
    """Return the names of the gateways that would lose one of their buildings."""
    gateways = Gateway.objects.filter(organization_id=extent.organization_id)
    if not extent.is_everything:
        lost = GatewayBuilding.objects.filter(organization_id=extent.organization_id, building_id__in=extent.buildings)
        gateways = gateways.filter(id__in=lost.values("gateway_id"))
    return list(gateways.order_by("name", "id").values_list("name", flat=True))


def open_troubles(*, principal: Principal, organization: UUID, query: PageQuery) -> Page[str]:
    """Return one page of open troubles as JSON documents, newest first. Raises NotFound or Forbidden."""
    grant = require_anywhere(principal, organization, "devices", "read")
    troubles = Trouble.objects.filter(visible_troubles(grant), organization_id=organization, ended_at=None)
    document = RawSQL("trouble_document(troubles)::text", [])
    page = keyset_page(troubles.annotate(document=document), by="since", query=query, descending=True)
    return Page([str(vars(one)["document"]) for one in page.items], page.next, page.previous)


def visible_troubles(grant: Grant) -> Q:
    """Return the filter for troubles that are visible with a grant, within its organization."""
    silent = grant.buildings("silent_alerts", "read")
    readable = _inside(grant.buildings("devices", "read"))
    return readable if silent is None else readable & (Q(is_public=True) | _inside(silent))


def _inside(buildings: frozenset[UUID] | None) -> Q:
    return Q() if buildings is None else Q(building_id__in=buildings)
