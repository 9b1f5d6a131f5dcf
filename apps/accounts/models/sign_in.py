"""Where a person is signed in."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id


class SignInChallenge(models.Model):
    """A sign-in whose password was right and whose second factor is still to come: good once, for a few minutes."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    passkey_state = models.JSONField(null=True)
    """What python-fido2 checks a passkey's answer against; None: the person has no passkey."""
    attempts = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_in_challenges"
        indexes = [models.Index(name="sign_in_challenges_user", fields=["user", "created_at"])]


class SignInKind(models.TextChoices):
    """What a sign-in is carried on by: tokens of an app or a script, or the session cookie of a browser."""

    APP = "app"
    BROWSER = "browser"


class SignIn(models.Model):
    """An authenticated person on one device. It ends by being deleted.

    Access tokens and browser sessions carry its id (`sid`): each entry point asks whether the row still exists.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    kind = models.CharField(max_length=10, choices=SignInKind.choices)
    device = models.CharField(max_length=100)
    """For its owner to recognize it by: "Firefox on Windows"."""
    address = models.GenericIPAddressField(null=True)
    """Where it was last used from; goes with the sign-in."""
    only_organization = models.UUIDField(null=True)
    """Where alone it gives rights, because that organization's identity provider vouched for it."""
    created_at = models.DateTimeField()
    used_at = models.DateTimeField()
    """To within ten minutes."""
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_ins"
        indexes = [models.Index(name="sign_ins_expires", fields=["expires_at"])]


class RefreshToken(models.Model):
    """A refresh token that was given out, kept as a digest; a family is one sign-in."""

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
