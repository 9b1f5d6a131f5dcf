"""`manage.py rotate_keys`: another key for access tokens."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.identity.keys import rotation
from apps.accounts.identity.keys.key_ring import RELOAD_SECONDS
from apps.accounts.identity.keys.rotation import SHOWN_FIRST, SHOWN_LONGEST, AlreadyRotated
from apps.common.operations.commands import whole_number

SHORTEST = int(SHOWN_FIRST.total_seconds())
LONGEST = int(SHOWN_LONGEST.total_seconds())
CAN_NOT = 1
WAITS_ALREADY = 3


class Command(BaseCommand):
    """Writes into SAFESIGNAL_TOKEN_KEYS_DIR; no process is restarted."""

    help = (
        "Make a new key for access tokens, and delete those that no living token was signed with. Running processes"
        f" see it within {RELOAD_SECONDS:g} s and sign with it from its moment on; nobody is signed out. Never touches"
        " the key of gateway configuration. Exit codes: 0 done (or, with --dry-run, possible), 1 the folder can not be"
        " read or written, 3 a new key is waiting to sign already."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Flags."""
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done, and do nothing.")
        parser.add_argument(
            "--signs-in",
            type=whole_number(SHORTEST, LONGEST),
            default=SHORTEST,
            metavar="SECONDS",
            help=f"How long the new key is shown before it signs: from {SHORTEST}, the default, to {LONGEST}. Give it "
            "longer where the folder is copied to other machines.",
        )
        parser.add_argument(
            "--stolen",
            action="store_true",
            help="Sign with the new key at once and delete all others: tokens that they signed end now, and every"
            " client gets another with its refresh token.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, say, do."""
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
