"""Who belongs to an organization, and who is invited to."""

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
    """Where the role holds: everywhere in the organization, or only at granted places."""

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
    """How this organization shows the person: their own name at first, then the organization's to change."""
    name_key = models.CharField(max_length=402, default="", db_default="", db_collation="C")
    """`name` folded (`apps.accounts.people.names`): what lists are ordered and searched by."""
    title = models.CharField(max_length=100, null=True)
    """What the person is there: "School nurse"."""
    trigger_only = models.BooleanField(default=False, db_default=False)
    """A day account: of its role it holds the right to raise an alarm and to see its own, nothing else."""
    expires_at = models.DateTimeField(null=True)
    """From here on it gives no right any more."""

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
    """A role in an organization, offered to whoever reads the mail of an address.

    Its link carries a secret, of which only the SHA-256 digest is kept, and none until the mail is made.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(max_length=255)
    role = models.CharField(max_length=50, choices=Role.choices)
    scope = models.CharField(max_length=20, choices=MembershipScope.choices, default=MembershipScope.ORGANIZATION)
    site_ids = ArrayField(models.UUIDField(), default=list)
    building_ids = ArrayField(models.UUIDField(), default=list)
    invited_by = models.UUIDField(null=True)
    """None: nobody in particular, where an organization is open to registration."""
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
