"""Password strength, estimated by zxcvbn (Wheeler, 2016): it knows words, names, dates, keyboard rows and the usual
variations of them, so that "Password2026!" is rated as weak as it is.
"""

from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

from apps.accounts.models import User

ENOUGH: Final = 3
"""Out of 4: more than 10^8 guesses, which take years with slow hashes and the waits between guesses."""
READ: Final = 48
"""Characters that are examined: enough for any password, since zxcvbn's time grows with the square of the length."""
ABOUT_US: Final = ("safesignal", "panic", "alert", "lockdown", "school")


class GuessableValidator:
    """Reject passwords that are easy to guess, including the person's own name and address."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise ValidationError, which says why the password is easy to guess."""
        if not password:
            raise ValidationError(_("A password is needed."), code="password_empty")
        own = (user.email, *user.email.split("@"), user.first_name, user.last_name) if user else ()
        found = zxcvbn(password[:READ], user_inputs=[word for word in (*own, *ABOUT_US) if word])
        if found["score"] < ENOUGH:
            said = found["feedback"]["warning"].rstrip(".")
            reason = f": {said[0].lower()}{said[1:]}." if said else "."
            raise ValidationError(_("This password is easy to guess") + reason, code="password_guessable")

    def get_help_text(self) -> str:
        """Return advice for choosing a password."""
        return _("Use several words that do not belong together, or have one made by a password manager.")
