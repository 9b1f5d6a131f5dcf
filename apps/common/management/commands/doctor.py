"""`manage.py doctor`: whether everything that this installation needs is well."""

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
    """Looks at each dependency, prints a line for it, and exits with 1 where something is unwell."""

    help = (
        "Check everything that this installation needs, and say what to do for each thing that is not well: key files, "
        "PostgreSQL (version, roles, locks between schools, migrations, outbox), Valkey, cache, queue, relay, beat, "
        "object storage, audit heads, mail, clocks, gateways and buttons. Nothing that it writes stays. "
        "Exit code 0: all is well; 1: something is not. Run it with the environment of the process that you wonder "
        "about: what it was not given is reported as `not here`."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """How it is told."""
        parser.add_argument("--json", action="store_true", help="One JSON object for each finding, a line each.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine and print as it goes."""
        logging.disable(logging.CRITICAL)  # what a check meets is in its line, and not also in lines of JSON around it
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
