"""Reads of people. Who belongs to an organization is listed through its memberships only."""

from uuid import UUID

from django.db.models import Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from apps.accounts.models import RefreshToken, User


def user_by_email(email: str) -> User | None:
    """The person with this e-mail in any case; PostgreSQL folds both sides, as its unique index does."""
    if "\x00" in email:
        return None  # PostgreSQL has no such text
    return User.objects.filter(Exact(Lower("email"), Lower(Value(email)))).first()


def owner_of_refresh_token(digest: bytes) -> UUID | None:
    """Whose refresh token this is; None for one that was never given out."""
    return RefreshToken.objects.filter(digest=digest).values_list("user_id", flat=True).first()
