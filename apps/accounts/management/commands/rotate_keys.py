"""`manage.py rotate_keys`: create a new key for access tokens."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.identity.keys import rotation
from apps.accounts.identity.keys.key_ring import RELOAD_SECONDS
from apps.accounts.identity.keys.rotation import LONGEST_LEAD, SHORTEST_LEAD, AlreadyRotated
from apps.common.operations.commands import whole_number

SHORTEST = int(SHORTEST_LEAD.total_seconds())
LONGEST = int(LONGEST_LEAD.total_seconds())
CAN_NOT = 1
WAITS_ALREADY = 3


class Command(BaseCommand):
    """Write a key to SAFESIGNAL_TOKEN_KEYS_DIR; processes load it without a restart."""

    help = (
        "Create a new key for access tokens, and delete keys that signed no unexpired token. Running processes load"
        f" it within {RELOAD_SECONDS:g} s and sign with it from its start time on; no one is signed out. Never changes"
        " the key of gateway configuration. Exit codes: 0 done (or, with --dry-run, possible), 1 the folder cannot be"
        " read or written, 3 a new key is already waiting to sign."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the flags."""
        parser.add_argument("--dry-run", action="store_true", help="Print what would be done, and do nothing.")
        parser.add_argument(
            "--signs-in",
            type=whole_number(SHORTEST, LONGEST),
            default=SHORTEST,
            metavar="SECONDS",
            help=f"How long the new key is published before it signs: {SHORTEST} (default) to {LONGEST}. Use a longer "
            "time if the folder is copied to other machines.",
        )
        parser.add_argument(
            "--stolen",
            action="store_true",
            help="Sign with the new key immediately and delete all others: tokens signed with them stop working, and"
            " clients get new ones with their refresh tokens.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan the rotation, carry it out, and print the changes."""
        folder, now = settings.TOKEN_KEYS_DIR, timezone.now()
        try:
            planned = rotation.plan(
                folder, now=now, signs_in=timedelta(seconds=options["signs_in"]), stolen=options["stolen"]
            )
            if not options["dry_run"]:
                rotation.carry_out(planned)
        except AlreadyRotated as refusal:
            raise CommandError(str(refusal), returncode=WAITS_ALREADY) from None
        except (OSError, ValueError, ImproperlyConfigured) as error:
            raise CommandError(f"{folder}: {error}", returncode=CAN_NOT) from None
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{would}made: {planned.made.name}, signs from {planned.signs_from:%Y-%m-%d %H:%M:%S} UTC")
        for file in planned.deleted:
            self.stdout.write(f"{would}deleted: {file.name}")
