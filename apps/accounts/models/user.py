"""The user model: a person, independent of organizations."""

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
    """A person. Memberships connect them to organizations."""

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
    """The person's BCP 47 language tag; None: the organization's language."""

    USERNAME_FIELD = "email"
    objects = BaseUserManager["User"]()

    class Meta:
        db_table = "users"
        verbose_name, verbose_name_plural = "person", "people"

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Return whether this person may sign in."""
        return self.status == UserStatus.ACTIVE

    @property
    def has_password(self) -> bool:
        """Return whether this person can sign in with a password."""
        return bool(self.password) and self.has_usable_password()

    @property
    def full_name(self) -> str:
        """Return the name for display; the e-mail address if there is no name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.email
