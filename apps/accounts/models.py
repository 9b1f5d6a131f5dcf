"""People and what they may do where. Columns are the requirement's ("User Management")."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Now

from apps.common.ids import new_id
from apps.common.scope import TenantManager
from apps.tenancy.models import OwnedByOrganization


class UserStatus(models.TextChoices):
    """Only an active person can sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class Role(models.TextChoices):
    """Roles of a membership, from most to least. A super admin is a flag on the user, never a membership."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    VIEWER = "viewer"


class User(AbstractBaseUser):
    """A person, in no organization by themselves: memberships say where they belong."""

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(max_length=255, unique=True)
    phone = models.CharField(max_length=20, null=True)
    password = models.CharField(max_length=255, db_column="password_hash", null=True)  # type: ignore[assignment]
    first_name = models.CharField(max_length=100, null=True)
    last_name = models.CharField(max_length=100, null=True)
    status = models.CharField(max_length=20, choices=UserStatus.choices, default=UserStatus.ACTIVE, db_default="active")
    email_verified = models.BooleanField(default=False, db_default=False)
    phone_verified = models.BooleanField(default=False, db_default=False)
    is_super_admin = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    last_login = models.DateTimeField(db_column="last_login_at", null=True)

    USERNAME_FIELD = "email"
    objects = BaseUserManager["User"]()

    class Meta:
        db_table = "users"

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether this person may sign in."""
        return self.status == UserStatus.ACTIVE

    @property
    def full_name(self) -> str:
        """The name that colleagues see; the e-mail address where none was given."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.email


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

    objects = TenantManager["Membership"]()

    class Meta:
        db_table = "user_organizations"
        indexes = [models.Index(name="idx_user_org", fields=["organization"])]


class Permission(models.Model):
    """What a role may: data, seeded from `contracts/permissions.json`."""

    id = models.UUIDField(primary_key=True, default=new_id)
    role = models.CharField(max_length=50)
    resource = models.CharField(max_length=100)
    action = models.CharField(max_length=50)

    class Meta:
        db_table = "permissions"
        constraints = [
            models.UniqueConstraint(fields=["role", "resource", "action"], name="permissions_role_resource_action")
        ]


class RefreshToken(models.Model):
    """A refresh token that was given out, kept as a digest; a family is one sign-in."""

    id = models.UUIDField(primary_key=True, default=new_id)
    family = models.UUIDField()
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [models.Index(name="refresh_tokens_family", fields=["family"])]
