"""Secrets that were sent to prove ownership."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id


class ProofPurpose(models.TextChoices):
    """What a secret proves, and therefore allows."""

    EMAIL = "email"
    PHONE = "phone"
    PASSWORD = "password"  # noqa: S105 (the name of a purpose)
    SIGN_IN = "sign_in"
    APP = "app"


class Proof(models.Model):
    """A one-time secret sent to `value` (an address or a number): knowing it proves access to that address or number.

    Stored as a digest, which is empty until the message has been created.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    purpose = models.CharField(max_length=20, choices=ProofPurpose.choices)
    value = models.CharField(max_length=255, null=True)
    digest = models.BinaryField(max_length=32, null=True, unique=True)
    attempts = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "proofs"
        indexes = [models.Index(name="proofs_user_purpose", fields=["user", "purpose"])]
