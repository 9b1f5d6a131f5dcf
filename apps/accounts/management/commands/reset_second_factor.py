"""`manage.py reset_second_factor`: for people who lost all factors, after an operator verified who they are."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.identity.second_factors import authenticators
from apps.accounts.identity.second_factors import services as second_factors
from apps.accounts.identity.selectors import user_by_email
from apps.common.operations.commands import reason as a_reason


class Command(BaseCommand):
    """Remove the second factors of an account, notify its owner, and record it in the audit trail."""

    help = "Remove all second factors of a person who lost them. The next sign-in needs the password alone."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add e-mail address, reason and dry run."""
        parser.add_argument("email", help="the account's e-mail address")
        parser.add_argument(
            "--reason", required=True, type=a_reason, help="how you verified the person's identity; no personal data"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")

    def handle(self, *args: Any, email: str, reason: str, dry_run: bool, **options: Any) -> None:
        """Remove the second factors and print how many there were."""
        user = user_by_email(email)
        if user is None:
            raise CommandError("There is no account with this address.")
        if dry_run:
            self.stdout.write(f"{len(authenticators.of_user(user))} would be removed.")
            return
        removed = second_factors.reset(user=user, reason=reason, now=timezone.now())
        self.stdout.write(f"{removed} removed.")
