"""Authentication backend of Django's sessions: e-mail address and password."""

from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from apps.accounts.identity.selectors import user_by_email
from apps.accounts.models import User, UserStatus


class EmailBackend(BaseBackend):
    """Case-insensitive e-mail. An unknown one, or an account without a password, takes as long as a wrong password."""

    def authenticate(self, request: HttpRequest | None, *, email: str, password: str) -> User | None:  # type: ignore[override]
        """Return the active person with this e-mail and password, or None."""
        user = user_by_email(email)
        if user is None or not user.password:
            make_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: UUID) -> User | None:
        """Return the person of a session, if they are active."""
        return User.objects.filter(pk=user_id, status=UserStatus.ACTIVE).first()
