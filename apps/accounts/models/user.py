"""A person, wherever they belong."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Now

from apps.common.db.ids import new_id


class UserStatus(models.TextChoices):
    """Only an active person can sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


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
    locale = models.CharField(max_length=35, null=True)
    """A BCP 47 tag, as the person chose it; None: that of their organization."""

    USERNAME_FIELD = "email"
    objects = BaseUserManager["User"]()

    class Meta:
        db_table = "users"
        verbose_name, verbose_name_plural = "person", "people"

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether this person may sign in."""
        return self.status == UserStatus.ACTIVE

    @property
    def has_password(self) -> bool:
        """Whether this person can sign in by one."""
        return bool(self.password) and self.has_usable_password()

    @property
    def full_name(self) -> str:
        """The name that colleagues see; the e-mail address where none was given."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.email
