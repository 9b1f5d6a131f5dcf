"""Sign-ins of people, their refresh tokens and second-factor challenges."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id


class SignInChallenge(models.Model):
    """A sign-in with a correct password that waits for its second factor: valid once, for a few minutes."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    passkey_state = models.JSONField(null=True)
    """State of python-fido2 for checking a passkey's answer; None: the person has no passkey."""
    attempts = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_in_challenges"
        indexes = [models.Index(name="sign_in_challenges_user", fields=["user", "created_at"])]


class SignInKind(models.TextChoices):
    """How a sign-in continues: with tokens of an app or a script, or with the session cookie of a browser."""

    APP = "app"
    BROWSER = "browser"


class SignIn(models.Model):
    """An authenticated person on one device. Deleting the row ends the sign-in.

    Access tokens and browser sessions carry its id (`sid`): each entry point checks whether the row still exists.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    kind = models.CharField(max_length=10, choices=SignInKind.choices)
    device = models.CharField(max_length=100)
    """Name that its owner can recognize, such as "Firefox on Windows"."""
    address = models.GenericIPAddressField(null=True)
    """IP address of the last use; deleted with the sign-in."""
    only_organization = models.UUIDField(null=True)
    """The only organization where it gives rights, because its identity provider authenticated the person."""
    created_at = models.DateTimeField()
    used_at = models.DateTimeField()
    """Accurate to ten minutes."""
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_ins"
        indexes = [models.Index(name="sign_ins_expires", fields=["expires_at"])]


class RefreshToken(models.Model):
    """An issued refresh token, stored as a digest; a family is one sign-in."""

    id = models.UUIDField(primary_key=True, default=new_id)
    family = models.ForeignKey(SignIn, models.CASCADE, db_column="family")
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [models.Index(name="refresh_tokens_expires", fields=["expires_at"])]
