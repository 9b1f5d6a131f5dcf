"""Buttons and gateways in the admin: to look at. They are registered and provisioned by services of their own."""

from django.contrib import admin
from django.utils.html import format_html_join

from apps.common.scoped_admin import ScopedAdmin
from apps.devices.models import Device, DeviceMetric, Gateway, GatewayBuilding, GatewayRule, Trouble


@admin.register(Device)
class DeviceAdmin(ScopedAdmin):
    """Buttons and sensors."""

    resource = "devices"
    building = "room__floor__building_id"
    list_display = ("device_id", "room", "device_type", "power", "status", "firmware_version", "last_seen_at")
    list_filter = ("status", "device_type", "power")
    list_select_related = ("room__floor",)
    search_fields = ("device_id", "serial_number")
    ordering = ("device_id",)


@admin.register(DeviceMetric)
class DeviceMetricAdmin(ScopedAdmin):
    """Readings of health, newest first."""

    resource = "devices"
    building = "device__room__floor__building_id"
    list_display = ("timestamp", "device", "rssi", "battery_voltage", "uptime_seconds", "alert_count")
    list_select_related = ("device__room__floor",)
    ordering = ("-timestamp",)


@admin.register(Gateway)
class GatewayAdmin(ScopedAdmin):
    """The gateways in the buildings."""

    resource = "gateways"
    list_display = ("name", "status", "configuration_version", "last_seen_at")
    ordering = ("name",)
    fields = ("name", "status", "buildings", "configuration_version", "last_seen_at", "created_at", "public_key")
    readonly_fields = ("buildings",)

    def buildings(self, gateway: Gateway) -> str:
        """For the devices of which it may speak."""
        rows = GatewayBuilding.objects.filter(gateway=gateway, organization_id=gateway.organization_id)
        names = rows.select_related("building").order_by("building__name").values_list("building__name")
        return format_html_join(", ", "{}", names)


@admin.register(GatewayRule)
class GatewayRuleAdmin(ScopedAdmin):
    """What a pattern on a key means."""

    resource = "configuration"
    list_display = ("pattern", "key", "alert_type", "is_silent", "device", "room")
    list_select_related = ("device", "room__floor")
    ordering = ("pattern", "key")


@admin.register(Trouble)
class TroubleAdmin(ScopedAdmin):
    """What may keep an alarm from working."""

    resource = "devices"
    list_display = ("since", "kind", "device_id_text", "gateway", "detail", "ended_at")
    list_filter = ("kind",)
    list_select_related = ("gateway",)
    ordering = ("-since",)
