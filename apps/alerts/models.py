"""Models of alerts. The columns of `alert_history` are those of the requirement ("Alert History").

`alert_history`, `alert_events` and `alert_notes` are partitioned by the month of the alert's `triggered_at`; their
real keys are defined in SQL (see the migrations). Never save or refresh an alert by `id` alone: that scans every
partition. Services filter by (id, triggered_at).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.devices.models import Device, Gateway
from apps.tenancy.models import OwnedByOrganization, Room, Site


class AlertStatus(models.TextChoices):
    """The status of an alert; `lifecycle.py` has the transitions."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


class Incident(OwnedByOrganization):
    """Groups the alerts of one site, type, drill flag and silent flag while open."""

    id = models.UUIDField(primary_key=True, default=new_id)
    site = models.ForeignKey(Site, models.DO_NOTHING, db_constraint=False, null=True)
    alert_type = models.CharField(max_length=50)
    is_drill = models.BooleanField(default=False)
    is_silent = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = TenantManager["Incident"]()

    class Meta:
        db_table = "incidents"


class Alert(OwnedByOrganization):
    """One alert. `place` and `hardware_id` have the values from when it was raised."""

    id = models.UUIDField(primary_key=True)
    alert_id = models.CharField(max_length=100)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, null=True)
    room = models.ForeignKey(Room, models.DO_NOTHING, db_constraint=False, null=True)
    triggered_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    severity = models.CharField(max_length=20)
    alert_type = models.CharField(max_length=50)
    status = models.CharField(max_length=20, choices=AlertStatus.choices)
    source = models.CharField(max_length=50, db_default="button")
    metadata = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    gateway = models.ForeignKey(Gateway, models.DO_NOTHING, db_constraint=False, null=True)
    incident_id = models.UUIDField(null=True)
    hardware_id = models.CharField(max_length=100, null=True)
    site_id = models.UUIDField(null=True)
    building_id = models.UUIDField(null=True)
    place = models.JSONField(null=True)
    is_drill = models.BooleanField(db_default=False)
    is_silent = models.BooleanField(db_default=False)
    is_late = models.BooleanField(db_default=False)
    is_unattributed = models.BooleanField(db_default=False)
    received_at = models.DateTimeField()
    last_pressed_at = models.DateTimeField()
    presses = models.IntegerField(db_default=1)
    hops = models.JSONField(default=dict)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.UUIDField(null=True)
    resolved_by = models.UUIDField(null=True)
    approvals_required = models.SmallIntegerField(db_default=1)
    approvals = ArrayField(models.UUIDField(), default=list)
    gateway_approval = models.UUIDField(null=True)
    """The one of `approvals` that rests on a gateway's statement."""
    close_reason = models.CharField(max_length=20, null=True)

    objects = TenantManager["Alert"]()

    class Meta:
        db_table = "alert_history"
        managed = False

    def __str__(self) -> str:
        return self.alert_id


class AlertKey(OwnedByOrganization):
    """Keeps `alert_id` unique within its organization, even after the alert is archived.

    Each press has a key, for its own alert or for the one that it joined. `gateway_id` reported it, at `received_at`.
    """

    pk = models.CompositePrimaryKey("organization_id", "alert_id")
    alert_id = models.CharField(max_length=100)
    id = models.UUIDField()
    triggered_at = models.DateTimeField()
    gateway_id = models.UUIDField(null=True)
    received_at = models.DateTimeField(null=True)

    objects = TenantManager["AlertKey"]()

    class Meta:
        db_table = "alert_keys"


class DrillArm(OwnedByOrganization):
    """A button that a person armed: its next press before `expires_at` starts a drill. `alert_id` names that press."""

    id = models.UUIDField(primary_key=True, default=new_id)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, db_index=False)
    hardware_id = models.CharField(max_length=100)
    site_id = models.UUIDField(null=True)
    building_id = models.UUIDField(null=True)
    armed_by = models.UUIDField()
    armed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    alert_id = models.CharField(max_length=100, null=True)
    used_at = models.DateTimeField(null=True)

    objects = TenantManager["DrillArm"]()

    class Meta:
        db_table = "drill_arms"
        indexes = [models.Index(name="drill_arms_expires", fields=["organization", "expires_at"])]


class AlertEvent(OwnedByOrganization):
    """One step of an alert's timeline: append-only, plain ids, retired together with the alert."""

    id = models.UUIDField(primary_key=True, default=new_id)
    alert = models.UUIDField()
    triggered_at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["AlertEvent"]()

    class Meta:
        db_table = "alert_events"
        managed = False


class AlertNote(OwnedByOrganization):
    """A person's note on an alert: append-only."""

    id = models.UUIDField(primary_key=True, default=new_id)
    alert = models.UUIDField()
    triggered_at = models.DateTimeField()
    author_id = models.UUIDField()
    body = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["AlertNote"]()

    class Meta:
        db_table = "alert_notes"
        managed = False
