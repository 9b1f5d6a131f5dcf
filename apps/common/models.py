"""The feed's counter and log, and the audit trail: ids only, no domain."""

from django.db import models

from apps.common.ids import new_id
from apps.common.scope import TenantManager


class OrganizationHead(models.Model):
    """The one counter of an organization: the seq of its newest feed event."""

    organization_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(default=0)

    objects = TenantManager["OrganizationHead"]()

    class Meta:
        db_table = "organization_heads"


class FeedEvent(models.Model):
    """One committed change that people of an organization can see; PRIMARY KEY (organization_id, seq)."""

    pk = models.CompositePrimaryKey("organization_id", "seq")
    organization_id = models.UUIDField()
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=40)
    audience = models.CharField(max_length=20)
    site_id = models.UUIDField(null=True)
    building_id = models.UUIDField(null=True)
    payload = models.TextField()
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    objects = TenantManager["FeedEvent"]()

    class Meta:
        db_table = "feed_events"
        indexes = [
            models.Index(
                name="feed_events_unsent",
                fields=["organization_id", "seq"],
                condition=models.Q(sent_at__isnull=True),
            )
        ]


class AuditEntry(models.Model):
    """Who did what, when, from where; append-only."""

    id = models.UUIDField(primary_key=True, default=new_id)
    organization_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.UUIDField(null=True)
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=40)
    target_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=20, default="done")
    detail = models.JSONField(default=dict)

    objects = TenantManager["AuditEntry"]()

    class Meta:
        db_table = "audit_entries"
        indexes = [models.Index(name="audit_entries_org_at", fields=["organization_id", "-at"])]
