"""Read-only admin pages for buttons and gateways; their own services register and provision them."""

from datetime import timedelta
from typing import Final

from django.contrib import admin
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join

from apps.common.access import Grant
from apps.common.model_admin.scoped import ScopedAdmin
from apps.devices.models import Device, DeviceMetric, Gateway, GatewayBuilding, GatewayRule, Trouble
from apps.devices.selectors import visible_troubles

READINGS: Final = 10
"""Number of recent readings on a device's page."""
READ_BACK: Final = timedelta(days=1)
"""Maximum age of those readings: they are stored in one partition per month."""


@admin.register(Device)
class DeviceAdmin(ScopedAdmin):
    """Buttons and sensors, with their newest readings."""

    resource = "devices"
    building = "room__floor__building_id"
    list_display = ("device_id", "room", "device_type", "power", "status", "firmware_version", "last_seen_at")
    list_filter = ("status", "power")
    list_select_related = ("room__floor",)
    search_fields = ("device_id", "serial_number")
    ordering = ("device_id",)
    exclude = ("metadata",)
    readonly_fields = ("readings",)

    def readings(self, device: Device) -> str:
        """Recent health readings, newest first."""
        now = timezone.now()
        rows = DeviceMetric.objects.filter(
            organization_id=device.organization_id, device=device, timestamp__range=(now - READ_BACK, now)
        )
        newest = rows.order_by("-timestamp").values_list("timestamp", "rssi", "battery_voltage")[:READINGS]
        return format_html_join(
            "",
            "<div>{}: signal {} dBm, battery {} V</div>",
            ((date_format(timezone.localtime(at), "DATETIME_FORMAT"), rssi, volts) for at, rssi, volts in newest),
        )


@admin.register(Gateway)
class GatewayAdmin(ScopedAdmin):
    """Gateways, with their buildings."""

    resource = "gateways"
    list_display = ("name", "status", "configuration_version", "last_seen_at")
    ordering = ("name", "id")
    fields = ("name", "status", "buildings", "configuration_version", "last_seen_at", "created_at", "public_key")
    readonly_fields = ("buildings",)

    def buildings(self, gateway: Gateway) -> str:
        """Buildings whose devices the gateway may report for."""
        rows = GatewayBuilding.objects.filter(gateway=gateway, organization_id=gateway.organization_id)
        names = rows.select_related("building").order_by("building__name").values_list("building__name")
        return format_html_join(", ", "{}", names)


@admin.register(GatewayRule)
class GatewayRuleAdmin(ScopedAdmin):
    """Rules that map a pattern on a key to an alert type."""

    resource = "configuration"
    list_display = ("pattern", "key", "alert_type", "is_silent", "device", "room")
    list_select_related = ("device", "room__floor")
    ordering = ("pattern", "key", "id")


@admin.register(Trouble)
class TroubleAdmin(ScopedAdmin):
    """Conditions that may keep an alarm from working."""

    resource = "devices"
    list_display = ("since", "kind", "device_id_text", "gateway", "detail", "ended_at")
    list_select_related = ("gateway",)
    ordering = ("-since", "-id")

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Filter as the API does: what a silent press may have caused requires the right to read silent alerts."""
        return super().granted(grant, resource, action) & visible_troubles(grant)
