"""The feed's counter and log, and the audit trail: ids only, no domain."""

from django.db import models

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager, current_scope


class OrganizationHead(models.Model):
    """The seq of an organization's newest feed event, and of the newest that all of its staff may know of."""

    organization_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    public_seq = models.BigIntegerField(default=0, db_default=0)

    objects = TenantManager["OrganizationHead"]()

    class Meta:
        db_table = "organization_heads"


class FeedEvent(models.Model):
    """One committed change that people of an organization can see; PRIMARY KEY (organization_id, seq).

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
    """The trail of the open scope's organizations; the platform's, which is of none, is asked for by name."""

    def platform(self) -> models.QuerySet["AuditEntry"]:
        """Rows of no organization. PostgreSQL shows them to `app` only where `audit_trail` has opened them."""
        scope = current_scope()
        return models.QuerySet(self.model, using=scope.alias).filter(organization_id=None)


class AuditEntry(models.Model):
    """Who did what, when; append-only. The relay adds its place in the chain: `seq`, `sealed_at`, `hash`, once."""

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
    """What in an entry is about a person: erasable, while the digest of it stays in the chain."""

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
    """The answer to a write, for who sends it again; PRIMARY KEY (principal_id, key), seen by that principal alone.

    `body` is None where the answer holds a secret. `rights` is a digest of what the principal could do then.
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
