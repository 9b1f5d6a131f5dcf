"""`manage.py import_places`: import the places of an organization from a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import Progress as Bar

from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.common.operations.commands import add_dry_run, read_file, refusals_in_words
from apps.tenancy.command_line import add_organization, add_reason, named_organization, record_command
from apps.tenancy.places.place_import import Progress, import_places
from apps.tenancy.places.place_table import PLACES


class Command(BaseCommand):
    """Import all lines or none, and report each fault with its line and column."""

    help = (
        "Import the places of an organization from a CSV file (UTF-8, commas): missing places are created, existing "
        "places get the values of their lines, nothing is deleted. "
        f"Columns: {', '.join(column.name for column in PLACES.columns)}."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, the organization, the reason and the dry run."""
        parser.add_argument("file", help="The file; - reads standard input.")
        add_organization(parser)
        add_reason(parser)
        add_dry_run(parser)

    def handle(self, *args: Any, file: str, organization: str, reason: str, dry_run: bool, **options: Any) -> None:
        """Import the file and print the counts."""
        body = read_file(file)
        organization_id = named_organization(organization)
        with refusals_in_words(), _bar() as progress, tenant_scope([organization_id]):
            done = import_places(
                actor=SYSTEM, organization_id=organization_id, body=body, dry_run=dry_run, progress=progress
            )
            if not dry_run:
                record_command("import_places", organization_id=organization_id, why=reason)
        verb = "Would be" if dry_run else "Were"
        self.stdout.write(f"{verb} created: {done.created}, updated: {done.updated}, unchanged: {done.unchanged}.")


@contextmanager
def _bar() -> Iterator[Progress]:
    """Show a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Writing places", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
