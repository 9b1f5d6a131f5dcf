"""Code that is written twice: pylint's symilar compares every two files, line by line, in any language.

Tests may repeat each other, and a migration keeps the code of its time.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from devstack.machine.paths import PACKAGES, ROOT
from devstack.stack import environments

ALLOWED_LINES: Final = 12
"""Lines, other than blank ones and lone brackets, that two files may share in one place."""
FOLDERS: Final = (*PACKAGES, "benchmarks", "clients", "deploy", "firmware")
SUFFIXES: Final = frozenset({".c", ".css", ".h", ".html", ".js", ".py", ".sh", ".sql", ".ts"})
NOTHING_FOUND: Final = "duplicates=0 "
"""In the last line of symilar, which always exits with 0."""


def problems(root: Path = ROOT) -> str:
    """Return what the files of this checkout share, or symilar's error; empty if nothing."""
    command = [environments.python(), "-c", "import pylint; pylint.run_symilar()", "--duplicates", str(ALLOWED_LINES)]
    done = subprocess.run([*command, *_code(root)], cwd=root, capture_output=True, text=True, check=False)
    return "" if NOTHING_FOUND in done.stdout else done.stdout + done.stderr


def _code(root: Path) -> Iterator[str]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and "migrations" not in path.parts:
                yield str(path.relative_to(root))
