"""Memberships of organizations, and invitations."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Now

from apps.accounts.models.user import User
from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import OwnedByOrganization


class Role(models.TextChoices):
    """Roles of a membership, from most to least. A super admin is a flag on the user, never a membership."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    VIEWER = "viewer"


class MembershipScope(models.TextChoices):
    """Where the role applies: everywhere in the organization, or only at granted places."""

    ORGANIZATION = "organization"
    PLACES = "places"


class Membership(OwnedByOrganization):
    """One role of one person in one organization."""

    pk = models.CompositePrimaryKey("user_id", "organization_id")
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, related_name="memberships")
    role = models.CharField(max_length=50, choices=Role.choices)
    scope = models.CharField(
        max_length=20, choices=MembershipScope.choices, default=MembershipScope.ORGANIZATION, db_default="organization"
    )
    created_at = models.DateTimeField(db_default=Now())
    name = models.CharField(max_length=201, default="", db_default="")
    """Display name in this organization: the person's own name at first; the organization can change it."""
    name_key = models.CharField(max_length=402, default="", db_default="", db_collation="C")
    """`name` folded (`apps.accounts.people.names`), for ordering and searching lists."""
    title = models.CharField(max_length=100, null=True)
    """The person's function there, such as "School nurse"."""
    trigger_only = models.BooleanField(default=False, db_default=False)
    """Marks a day account, which can only raise alarms and view its own, whatever its role."""
    expires_at = models.DateTimeField(null=True)
    """From this time on, the membership gives no rights."""

    objects = TenantManager["Membership"]()

    class Meta:
        db_table = "user_organizations"
        indexes = [
            models.Index(name="idx_user_org", fields=["organization"]),
            models.Index(name="idx_user_org_name", fields=["organization", "name_key", "user"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="user_organizations_day_account",
                condition=models.Q(trigger_only=False) | models.Q(role="operator", expires_at__isnull=False),
            )
        ]


class Invitation(OwnedByOrganization):
    """An offer of a role in an organization, sent to an e-mail address.

    Its link contains a secret. Only the SHA-256 digest is stored, and only once the e-mail has been created.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(max_length=255)
    role = models.CharField(max_length=50, choices=Role.choices)
    scope = models.CharField(max_length=20, choices=MembershipScope.choices, default=MembershipScope.ORGANIZATION)
    site_ids = ArrayField(models.UUIDField(), default=list)
    building_ids = ArrayField(models.UUIDField(), default=list)
    invited_by = models.UUIDField(null=True)
    """None for an invitation from open registration."""
    digest = models.BinaryField(max_length=32, null=True, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = TenantManager["Invitation"]()

    class Meta:
        db_table = "invitations"
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                name="invitations_open_email",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
            )
        ]
