"""`manage.py verify_audit`: verify that the audit trail is as it was written."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from apps.common.audit import checkpoints, verification
from apps.common.audit.verification import Verdict
from apps.tenancy.command_line import named_organization

BROKEN: Final = 1
UNREADABLE: Final = 2
PLATFORM: Final = "platform"


class Command(BaseCommand):
    """Verify all chains, or the named ones, and report the first broken link of each."""

    help = (
        "Read the audit trail from its start and name the first broken link of each organization's chain: changed, "
        "removed, inserted, reordered, cut off at its end, or rewritten as a whole (detected with the signed heads in "
        "object storage). Changes nothing. Exit code 0: whole; 1: a link is broken or a stored head is forged; "
        "2: it could not be read, or there is no such organization. Needs DATABASE_SYSTEM_URL, and "
        "SAFESIGNAL_AUDIT_KEY_FILE or --public-key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the chains to verify, the keys of their heads, and the output format."""
        parser.add_argument(
            "--organization",
            action="append",
            metavar="SLUG",
            help="Only the chain of the organization of this slug or id; "
            f"`{PLATFORM}` for what belongs to no organization. May be repeated.",
        )
        parser.add_argument(
            "--public-key",
            action="append",
            type=Path,
            default=[],
            metavar="PEM",
            help="A key that signed heads before the present one. May be repeated.",
        )
        parser.add_argument("--json", action="store_true", help="One JSON object for each chain, a line each.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print, and exit with 1 if anything is broken."""
        try:
            files = list(checkpoints.stored(options["public_key"]))
            chains = _chains(options["organization"] or [], files)
            verdicts = self._verify(chains, files)
        except (OSError, ValueError) as error:
            raise CommandError(f"The trail could not be read: {error}", returncode=UNREADABLE) from None
        forged = verification.forged(files)
        write = self._write_json if options["json"] else self._write_text
        write(verdicts, forged)
        if forged or any(verdict.broken for verdict in verdicts):
            sys.exit(BROKEN)

    def _verify(self, chains: list[UUID | None], files: list[checkpoints.HeadsFile]) -> list[Verdict]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("audit entries", total=verification.count(chains))
            return [verification.verify(chain, files, lambda read: progress.advance(bar, read)) for chain in chains]

    def _write_text(self, verdicts: list[Verdict], forged: list[str]) -> None:
        for verdict in verdicts:
            name = verdict.organization_id or PLATFORM
            if verdict.broken is None:
                self.stdout.write(f"{name}: whole, {verdict.length} entries, {verdict.unsealed} not in the chain yet")
                continue
            broken = verdict.broken
            entry = f", entry {broken.entry}" if broken.entry else ""
            self.stdout.write(f"{name}: BROKEN at {broken.position}{entry}: {broken.fault}: {broken.explanation}")
        for file in forged:
            self.stdout.write(f"{file}: FORGED: no known key signed this stored head")

    def _write_json(self, verdicts: list[Verdict], forged: list[str]) -> None:
        for line in (*verdicts, *({"forged": name} for name in forged)):
            self.stdout.write(msgspec.json.encode(line).decode())


def _chains(named: list[str], files: list[checkpoints.HeadsFile]) -> list[UUID | None]:
    """Return the chains to verify: all, or those of the named organizations. Raises CommandError for an unknown one.

    A deleted organization, or one whose whole chain is gone, is known from its remaining entries or stored heads.
    """
    with_trail = verification.chains()
    if not named:
        return with_trail
    heads = (head for file in files if file.heads for head in file.heads.heads)
    known = {*with_trail, *(head.organization_id for head in heads)}
    return [None if one == PLATFORM else _chain(one, known) for one in named]


def _chain(named: str, known: set[UUID | None]) -> UUID:
    try:
        organization_id = UUID(named)
    except ValueError:
        return named_organization(named, returncode=UNREADABLE)
    return organization_id if organization_id in known else named_organization(named, returncode=UNREADABLE)
