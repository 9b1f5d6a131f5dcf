"""Phones and browsers that alerts are pushed to."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id


class Platform(models.TextChoices):
    """What a push registration is sent through."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


class PushRegistration(models.Model):
    """A phone or browser that is told of alerts; its token belongs to whoever registered it last.

    One person may have it registered for their account and for schools whose sign-in they use, one row each: whoever
    sends to it sends once to a token.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    token = models.CharField(max_length=1024)
    platform = models.CharField(max_length=10, choices=Platform.choices)
    app_version = models.CharField(max_length=50)
    created_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField()
    only_organization = models.UUIDField(null=True)
    """Whose alerts alone are told there, because that organization's identity provider vouched for the person."""

    class Meta:
        db_table = "push_registrations"
        constraints = [
            models.UniqueConstraint(
                fields=["token", "only_organization"],
                name="push_registrations_token_organization",
                nulls_distinct=False,
            )
        ]
