"""`manage.py load_device_claims`: load hardware ids, each with the code in its box."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.common.db.scope import system_scope
from apps.common.operations.commands import REFUSED, read_file, refusals_in_words
from apps.devices.registration import claims


class Command(BaseCommand):
    """Load the manufacturer's list of a delivery; for platform operators."""

    help = (
        "Load hardware ids with the codes printed in their boxes from a CSV file (columns: device_id, code). A school "
        "registers a device by giving its code. Nothing is deleted; codes are stored as hashes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file."""
        parser.add_argument("file", help="The file; - reads standard input.")

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        """Load the file and print how many ids were new or changed."""
        body = read_file(file)
        if "system" not in connections.databases:
            raise CommandError("Set DATABASE_SYSTEM_URL: claims belong to no organization.", returncode=REFUSED)
        with refusals_in_words(), system_scope():
            written = claims.load(line.row for line in claims.CLAIMS.read(body))
        self.stdout.write(f"Loaded: {written}.")
