"""How hard a password is to guess, by zxcvbn (Wheeler, 2016): words, names, dates, rows of keys, and what people do to
them, so that "Password2026!" is as weak as it looks to an attacker.
"""

from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

from apps.accounts.models import User

ENOUGH: Final = 3
"""Of 4: more than 10^8 guesses, which our slow hashes and waits make years."""
READ: Final = 48
"""Characters that are looked at: enough of any password, and zxcvbn's time grows with the square of the length."""
ABOUT_US: Final = ("safesignal", "panic", "alert", "lockdown", "school")


class GuessableValidator:
    """Refuses what is guessed easily, the person's own name and address among it."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise ValidationError, which says what makes it easy to guess."""
        if not password:
            raise ValidationError(_("A password is needed."), code="password_empty")
        own = (user.email, *user.email.split("@"), user.first_name, user.last_name) if user else ()
        found = zxcvbn(password[:READ], user_inputs=[word for word in (*own, *ABOUT_US) if word])
        if found["score"] < ENOUGH:
            said = found["feedback"]["warning"].rstrip(".")
            reason = f": {said[0].lower()}{said[1:]}." if said else "."
            raise ValidationError(_("This password is easy to guess") + reason, code="password_guessable")

    def get_help_text(self) -> str:
        """What to do."""
        return _("Use several words that do not belong together, or have one made by a password manager.")
