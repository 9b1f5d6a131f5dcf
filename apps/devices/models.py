"""Buttons and gateways. The columns of `devices` and `device_metrics` follow the requirement ("Device Management")."""

from django.db import models
from django.db.models.functions import Now

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import Building, OwnedByOrganization, Room


class DeviceStatus(models.TextChoices):
    """Values of the `status` column: offline when the device is not live, else its lifecycle."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    MAINTENANCE = "maintenance"
    OFFLINE = "offline"
    DECOMMISSIONED = "decommissioned"


class Device(OwnedByOrganization):
    """A button (or sensor) on a wall; `device_id` is the hardware id burnt into it."""

    id = models.UUIDField(primary_key=True, default=new_id)
    device_id = models.CharField(max_length=100, unique=True)
    room = models.ForeignKey(Room, models.DO_NOTHING, db_constraint=False, db_index=False, null=True)
    device_type = models.CharField(max_length=50, default="button", db_default="button")
    power = models.CharField(max_length=20, default="mains", db_default="mains")
    firmware_version = models.CharField(max_length=50, null=True)
    hardware_version = models.CharField(max_length=50, null=True)
    serial_number = models.CharField(max_length=100, unique=True, null=True)
    mac_address = models.CharField(max_length=17, null=True)
    provisioned_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    status = models.CharField(
        max_length=20, choices=DeviceStatus.choices, default=DeviceStatus.INACTIVE, db_default="inactive"
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    metadata = models.JSONField(null=True)

    objects = TenantManager["Device"]()

    class Meta:
        db_table = "devices"
        indexes = [
            models.Index(name="idx_devices_org", fields=["organization"]),
            models.Index(name="idx_devices_room", fields=["room"]),
            models.Index(name="idx_devices_status", fields=["status"]),
            models.Index(name="idx_devices_last_seen", fields=["-last_seen_at"]),
        ]

    def __str__(self) -> str:
        return self.device_id


class DeviceClaim(models.Model):
    """Proof that a hardware id belongs to the holder of its box: loaded by platform operators, used once.

    `code_hash` is the SHA-256 of the code printed in the box. Only `claims.py` reads and writes these rows.
    """

    device_id = models.CharField(max_length=100, primary_key=True)
    code_hash = models.BinaryField(max_length=32)
    claimed_by = models.UUIDField(null=True)
    """The organization that gave the code."""
    claimed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "device_claims"


class DeviceMetric(OwnedByOrganization):
    """One health reading; partitioned by month of `timestamp`, PRIMARY KEY (id, timestamp)."""

    id = models.BigAutoField(primary_key=True)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, db_index=False)
    timestamp = models.DateTimeField(db_default=Now())
    rssi = models.IntegerField(null=True)
    battery_voltage = models.DecimalField(max_digits=4, decimal_places=2, null=True)
    uptime_seconds = models.BigIntegerField(null=True)
    free_heap_bytes = models.BigIntegerField(null=True)
    alert_count = models.IntegerField(default=0, db_default=0)
    metadata = models.JSONField(null=True)

    objects = TenantManager["DeviceMetric"]()

    class Meta:
        db_table = "device_metrics"
        managed = False


class Gateway(OwnedByOrganization):
    """The edge agent of one or more buildings: a principal of its own, identified by its public key."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=200)
    public_key = models.TextField()
    status = models.CharField(max_length=20, default="active", db_default="active")
    configuration_version = models.BigIntegerField(default=1, db_default=1)
    last_seen_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["Gateway"]()

    class Meta:
        db_table = "gateways"

    def __str__(self) -> str:
        return self.name


class GatewayBuilding(OwnedByOrganization):
    """A building of a gateway, which reports for the devices of its buildings and for no others."""

    pk = models.CompositePrimaryKey("gateway_id", "building_id")
    gateway = models.ForeignKey(Gateway, models.DO_NOTHING, db_constraint=False)
    building = models.ForeignKey(Building, models.DO_NOTHING, db_constraint=False)

    objects = TenantManager["GatewayBuilding"]()

    class Meta:
        db_table = "gateway_buildings"


class GatewayRule(OwnedByOrganization):
    """Gateway policy: the alert type of a pattern on a key, for a device, a room, or the whole organization."""

    id = models.UUIDField(primary_key=True, default=new_id)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, null=True)
    room = models.ForeignKey(Room, models.DO_NOTHING, db_constraint=False, null=True)
    key = models.SmallIntegerField(default=1)
    pattern = models.CharField(max_length=20)
    alert_type = models.CharField(max_length=50)
    is_silent = models.BooleanField(default=False)

    objects = TenantManager["GatewayRule"]()

    class Meta:
        db_table = "gateway_rules"
        indexes = [models.Index(name="gateway_rules_pattern", fields=["organization", "pattern", "key", "id"])]


class GatewayAssertion(OwnedByOrganization):
    """A `jti` that a gateway has used (RFC 7523, 3): each assertion authenticates once."""

    pk = models.CompositePrimaryKey("gateway_id", "jti")
    gateway = models.ForeignKey(Gateway, models.DO_NOTHING, db_constraint=False, db_index=False)
    jti = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    objects = TenantManager["GatewayAssertion"]()

    class Meta:
        db_table = "gateway_assertions"


class GatewayEvent(OwnedByOrganization):
    """An event that a gateway sent, by its id, so that a repeat is recognised. Kept for 90 days."""

    pk = models.CompositePrimaryKey("organization_id", "event_id")
    event_id = models.UUIDField()
    gateway = models.ForeignKey(Gateway, models.DO_NOTHING, db_constraint=False, db_index=False)
    epoch = models.UUIDField()
    kind = models.CharField(max_length=40)
    quarantine_reason = models.CharField(max_length=60, null=True)
    body = models.TextField(null=True)
    received_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["GatewayEvent"]()

    class Meta:
        db_table = "gateway_events"


class Trouble(OwnedByOrganization):
    """Something that may keep an alarm from working, from when it began until it ended.

    Without gateway and device it is the cloud's own. `is_public`: visible to everybody who may read devices; otherwise
    only to those who may also read silent alerts, since a silent press may have caused it.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    gateway = models.ForeignKey(Gateway, models.DO_NOTHING, db_constraint=False, null=True)
    device_id_text = models.CharField(max_length=100, null=True)
    building_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=40)
    detail = models.TextField(null=True)
    is_public = models.BooleanField(default=False, db_default=False)
    since = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = TenantManager["Trouble"]()

    class Meta:
        db_table = "troubles"
        indexes = [models.Index(name="troubles_since", fields=["organization", "-since", "-id"])]
