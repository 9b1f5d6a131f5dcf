"""`./dev check`: everything that can be said of the code without running its tests."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from devstack.checks import duplicates, locks
from devstack.machine.paths import ROOT
from devstack.stack import environments

console = Console()
Outcome = tuple[bool, str]
# For deptry: what production does not contain. Its code may import no package of these extras.
PRODUCTION_ONLY = [
    *("--extend-exclude", r"(devstack|benchmarks|clients|tests)/|contracts/validation\.py"),
    *("--optional-dependencies-dev-groups", "one-machine,dev"),
]


def run() -> int:
    """Run every check, show what fails, and go on to the next; 0 when all are well."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        development = environments.throwaway(Path(folder), "development")
        production = environments.throwaway(Path(folder), "production")
        for name, check in checks(development, production):
            began = time.monotonic()
            well, output = check()
            mark = "[green]ok[/]    " if well else "[red]FAILED[/]"
            console.print(f"{mark} {name} [dim]({time.monotonic() - began:.1f} s)[/]")
            if not well:
                failed.append(name)
                console.print(output.rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.print(f"[red]{len(failed)} failed: {', '.join(failed)}[/]" if failed else "[green]All checks passed.[/]")
    return 1 if failed else 0


def checks(
    development: environments.Environment, production: environments.Environment
) -> list[tuple[str, Callable[[], Outcome]]]:
    """Name and check, the quickest first."""
    return [
        ("format", tool("ruff", "format", "--check", ".")),
        ("lint", tool("ruff", "check", ".")),
        ("words", tool("codespell_lib")),
        ("layers", tool("importlinter.cli:lint_imports", environment=development)),
        ("dependencies", tool("deptry", ".")),
        ("dependencies of production", tool("deptry", ".", *PRODUCTION_ONLY)),
        ("templates", tool("djlint", "--lint", "--quiet", "templates")),
        ("duplicates", written_twice),
        ("lock files", lock_files),
        ("deployment", tool("django", "check", "--deploy", "--fail-level", "WARNING", environment=production)),
        ("migrations", tool("django", "makemigrations", "--check", "--dry-run", environment=development)),
        ("types", tool("mypy", ".", environment=development)),
    ]


def tool(name: str, *arguments: str, environment: environments.Environment | None = None) -> Callable[[], Outcome]:
    """A tool of the virtual environment as a check."""

    def check() -> Outcome:
        module, _, function = name.partition(":")
        how = ["-c", f"import {module} as tool, sys; sys.exit(tool.{function}())"] if function else ["-m", module]
        command = [environments.python(), *how, *arguments]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(environment or {})}
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout + done.stderr

    return check


def written_twice() -> Outcome:
    """Whether no two files share a long piece of code."""
    found = duplicates.problems()
    return not found, found


def lock_files() -> Outcome:
    """Whether they are current."""
    found = locks.problems()
    return not found, "\n".join(found)
