"""Models of the feed and its counter, and of the audit trail: ids only, no domain."""

from django.db import models

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager, current_scope


class OrganizationHead(models.Model):
    """The seq of an organization's newest feed event, and of the newest one visible to all of its staff."""

    organization_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    public_seq = models.BigIntegerField(default=0, db_default=0)

    objects = TenantManager["OrganizationHead"]()

    class Meta:
        db_table = "organization_heads"


class FeedEvent(models.Model):
    """One committed change visible to people of an organization; PRIMARY KEY (organization_id, seq).

    `previous` is the seq of the organization's event before it.
    """

    pk = models.CompositePrimaryKey("organization_id", "seq")
    organization_id = models.UUIDField()
    seq = models.BigIntegerField()
    previous = models.BigIntegerField(db_default=0)
    kind = models.CharField(max_length=40)
    audience = models.CharField(max_length=20)
    site_id = models.UUIDField(null=True)
    building_id = models.UUIDField(null=True)
    payload = models.TextField()
    request_id = models.CharField(max_length=64, null=True)
    traceparent = models.CharField(max_length=55, null=True)
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


class TrailManager(TenantManager["AuditEntry"]):
    """The trails of the open scope's organizations; `platform` returns the one that belongs to none."""

    def platform(self) -> models.QuerySet["AuditEntry"]:
        """Return the rows of no organization. PostgreSQL returns them to `app` only after `audit_trail` allowed it."""
        scope = current_scope()
        return models.QuerySet(self.model, using=scope.alias).filter(organization_id=None)


class AuditEntry(models.Model):
    """Who did what, when; append-only. The relay sets the place in the chain once: `seq`, `sealed_at`, `hash`."""

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
    request_id = models.CharField(max_length=64, null=True)
    personal_digest = models.BinaryField(max_length=32, null=True)
    seq = models.BigIntegerField(null=True)
    sealed_at = models.DateTimeField(null=True)
    hash = models.BinaryField(max_length=32, null=True)

    objects = TrailManager()

    class Meta:
        db_table = "audit_entries"
        verbose_name, verbose_name_plural = "audit entry", "audit trail"
        indexes = [
            models.Index(name="audit_entries_org_at", fields=["organization_id", "-at", "-id"]),
            models.Index(name="audit_entries_actor", fields=["organization_id", "actor_id", "-at", "-id"]),
            models.Index(name="audit_entries_target", fields=["organization_id", "target_id", "-at", "-id"]),
            models.Index(name="audit_entries_unsealed", fields=["at", "id"], condition=models.Q(seq__isnull=True)),
        ]
        constraints = [
            models.UniqueConstraint(
                name="audit_entries_chain",
                fields=["organization_id", "seq"],
                condition=models.Q(seq__isnull=False),
                nulls_distinct=False,
            )
        ]


class AuditPersonal(models.Model):
    """The personal data of an entry: erasable, while its digest stays in the chain."""

    entry_id = models.UUIDField(primary_key=True)
    organization_id = models.UUIDField(null=True)
    person_id = models.UUIDField(null=True)
    salt = models.BinaryField(max_length=16)
    values = models.JSONField()

    objects = TenantManager["AuditPersonal"]()

    class Meta:
        db_table = "audit_personal"
        indexes = [models.Index(name="audit_personal_person", fields=["person_id"])]


class IdempotencyKey(models.Model):
    """The response to a write, for a repeat by the same principal; PRIMARY KEY (principal_id, key).

    Visible to that principal only. `body` is None if the response had a secret. `rights` is a digest of the
    principal's rights at that time.
    """

    pk = models.CompositePrimaryKey("principal_id", "key")
    principal_id = models.UUIDField()
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField()
    rights = models.BinaryField()
    status = models.SmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "idempotency_keys"
        indexes = [models.Index(name="idempotency_keys_age", fields=["created_at"])]
