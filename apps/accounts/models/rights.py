"""Permissions of roles, places where roles apply, visits and service tokens."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from guardian.managers import UserObjectPermissionManager
from guardian.models import UserObjectPermissionBase

from apps.accounts.models.user import User
from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import Building, OwnedByOrganization, Site


class PlaceGrantManager(TenantManager[models.Model], UserObjectPermissionManager):
    """django-guardian's manager, limited to the tenant scope."""


class PlaceGrant(OwnedByOrganization, UserObjectPermissionBase):
    """A place where the role of a membership of scope `places` applies: a permission `as_<role>` on it.

    Written together with the membership (`people.memberships.grant_places`), always with its role. Deleted with its
    place and with the membership (foreign keys in the migration).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = PlaceGrantManager()  # type: ignore[misc]

    class Meta:
        abstract = True


class SiteGrant(PlaceGrant):
    """Applies at a site and at each of its buildings, including those added later."""

    content_object = models.ForeignKey(Site, models.DO_NOTHING, db_constraint=False, db_column="site_id")

    class Meta:
        db_table = "site_grants"
        constraints = [models.UniqueConstraint(fields=["user", "content_object"], name="site_grants_user_site")]


class BuildingGrant(PlaceGrant):
    """Applies at one building."""

    content_object = models.ForeignKey(Building, models.DO_NOTHING, db_constraint=False, db_column="building_id")

    class Meta:
        db_table = "building_grants"
        constraints = [models.UniqueConstraint(fields=["user", "content_object"], name="building_grants_user_building")]


class Visit(OwnedByOrganization):
    """Temporary access of a super admin to an organization, with a reason and an end that its admins can read."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    reason = models.CharField(max_length=500)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    """Set if the visit was ended before `ends_at`."""
    ended_by = models.UUIDField(null=True)

    objects = TenantManager["Visit"]()

    class Meta:
        db_table = "platform_visits"


class Permission(models.Model):
    """A permission of a role: data, seeded from `contracts/permissions.json`."""

    id = models.UUIDField(primary_key=True, default=new_id)
    role = models.CharField(max_length=50)
    resource = models.CharField(max_length=100)
    action = models.CharField(max_length=50)

    class Meta:
        db_table = "permissions"
        constraints = [
            models.UniqueConstraint(fields=["role", "resource", "action"], name="permissions_role_resource_action")
        ]


class ServiceToken(OwnedByOrganization):
    """A key for another system of the organization, stored as a digest: a separate caller, never a person."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=151))
    """`resource:action` of the permissions table. Only those that an admin of the organization has are effective."""
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    """Accurate to two minutes."""

    objects = TenantManager["ServiceToken"]()

    class Meta:
        db_table = "service_tokens"
        indexes = [models.Index(name="service_tokens_organization", fields=["organization", "created_at", "id"])]
