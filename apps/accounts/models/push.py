"""Phones and browsers that receive push notifications of alerts."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id


class Platform(models.TextChoices):
    """Push service of a registration."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


class PushRegistration(models.Model):
    """A phone or browser that receives alerts; its token belongs to the person who registered it last.

    A person may register it for their account and for schools whose sign-in they use, with one row each: senders must
    send only once per token.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    token = models.CharField(max_length=1024)
    platform = models.CharField(max_length=10, choices=Platform.choices)
    app_version = models.CharField(max_length=50)
    created_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField()
    only_organization = models.UUIDField(null=True)
    """The only organization whose alerts are sent, because its identity provider authenticated the person."""

    class Meta:
        db_table = "push_registrations"
        constraints = [
            models.UniqueConstraint(
                fields=["token", "only_organization"],
                name="push_registrations_token_organization",
                nulls_distinct=False,
            )
        ]
