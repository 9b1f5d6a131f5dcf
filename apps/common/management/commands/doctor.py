"""`manage.py doctor`: check everything that this installation needs."""

import logging
import sys
from argparse import ArgumentParser
from typing import Any, Final

import msgspec
from django.core.management.base import BaseCommand
from rich.console import Console
from rich.markup import escape

from apps.common.operations.doctor import examine
from apps.common.operations.findings import Finding, State

UNWELL: Final = 1
MARKS: Final = {State.WELL: "[green]well[/]    ", State.UNWELL: "[red]UNWELL[/]  ", State.NOT_HERE: "[dim]not here[/]"}


class Command(BaseCommand):
    """Checks each dependency, prints a line for it, and exits with 1 if something is wrong."""

    help = (
        "Check everything that this installation needs, and give advice for each thing that is unwell: key files, "
        "PostgreSQL (version, roles, locks between schools, migrations, outbox), Valkey, cache, queue, relay, beat, "
        "object storage, audit heads, mail, clocks, gateways and buttons. It leaves no changes behind. "
        "Exit code 0: all is well; 1: something is not. Run it with the environment of the process that you want to "
        "check: what it was not given is reported as `not here`."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add `--json`."""
        parser.add_argument("--json", action="store_true", help="Print one line of JSON for each finding.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the checks and print each finding at once."""
        logging.disable(logging.CRITICAL)  # the line of a check has its error: no JSON log lines in between
        console = Console(no_color=options["no_color"], highlight=False, soft_wrap=True)
        findings: list[Finding] = []
        for finding in examine():
            findings.append(finding)
            if options["json"]:
                self.stdout.write(msgspec.json.encode(finding).decode())
                continue
            console.print(f"{MARKS[finding.state]} {finding.name}: {escape(finding.detail)}")
            if finding.advice:
                console.print(f"         -> {escape(finding.advice)}")
        if any(finding.state is State.UNWELL for finding in findings):
            sys.exit(UNWELL)
