"""Shared parts of `manage.py` commands: a dry run, and refusals as text.

Exit codes: 0 done (or, with --dry-run, possible), 1 refused and nothing changed, 2 invalid command line.
"""

import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.core.management.base import CommandError, CommandParser

from apps.common.csv.tables import CsvRefused
from apps.common.problems import Problem

REFUSED = 1
LONGEST_REASON: Final = 500


def read_file(file: str) -> bytes:
    """Read a file named on the command line; `-` is standard input. Raises CommandError."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} can not be read: {error.strerror}.", returncode=REFUSED) from None


def add_dry_run(parser: CommandParser) -> None:
    """Add `--dry-run`."""
    parser.add_argument(
        "--dry-run", action="store_true", help="Check everything, print what would be done, change nothing."
    )


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return the `type` of an option for a whole number within bounds, both included."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ArgumentTypeError(f"{text} is not a whole number.") from None
        if not lowest <= number <= highest:
            raise ArgumentTypeError(f"{text} is not from {lowest} to {highest}.")
        return number

    return parse


def reason(text: str) -> str:
    """Parse an option with a reason for the audit trail, as its `type`. Raises ArgumentTypeError."""
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_REASON:
        raise ArgumentTypeError(f"a reason has 1 to {LONGEST_REASON} characters.")
    return stripped


@contextmanager
def refusals_in_words() -> Iterator[None]:
    """End the command with the full text of a refusal raised inside the block. Raises CommandError."""
    try:
        yield
    except Problem as problem:
        raise CommandError("\n".join(_words(problem)), returncode=REFUSED) from None


def _words(problem: Problem) -> Iterator[str]:
    yield problem.detail
    if isinstance(problem, CsvRefused):
        yield from _lines(problem)
        return
    errors = problem.extra.get("errors")
    if isinstance(errors, dict):
        yield from (f"{field}: {' '.join(map(str, reasons))}" for field, reasons in errors.items())


def _lines(refused: CsvRefused) -> Iterator[str]:
    lines = refused.extra["lines"]
    for line in lines if isinstance(lines, list) else []:
        column = f", {line['column']}" if line["column"] else ""
        yield f"line {line['line']}{column}: {line['problem']}"
    if refused.extra.get("more"):
        yield f"and {refused.extra['more']} more"
