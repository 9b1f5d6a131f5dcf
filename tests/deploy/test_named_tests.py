"""The tests that the security documents name exist."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from devstack.machine.paths import ROOT

NAMED: Final = re.compile(r"`(tests/[\w./-]+?)(?:::(\w+))?`")
SECURITY: Final = [ROOT / "docs" / "threat-model.md", ROOT / "SECURITY.md"]
DOCUMENTS: Final = [*SECURITY, ROOT / "docs" / "requirements.md"]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the tests of a file: functions, also in classes, and state machines."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):  # A state machine of Hypothesis.
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return frozenset(name for name in names if name.lower().startswith("test"))


def is_there(path: str, test: str) -> bool:
    """Return whether the test exists; for a whole folder or file, whether it contains any."""
    place = ROOT / path
    if place.is_dir():
        return any(names_in(file) for file in place.rglob("test_*.py"))
    if not place.is_file() or place.suffix != ".py":
        return False
    return test in names_in(place) if test else bool(names_in(place))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_named_in_a_document_exists(document: Path) -> None:
    named = NAMED.findall(document.read_text())
    assert named
    missing = [f"{path}::{test}" if test else path for path, test in named if not is_there(path, test)]
    assert missing == []


def rows(document: Path) -> list[str]:
    """Return the rows of its tables, without headers and separator lines."""
    lines = document.read_text().splitlines()
    below = [*lines[1:], ""]
    return [
        line
        for line, next_line in zip(lines, below, strict=True)
        if line.startswith("|") and not is_ruler(line) and not is_ruler(next_line)
    ]


def is_ruler(line: str) -> bool:
    return line.startswith("|-")


def statements(document: Path) -> list[str]:
    """Return its statements about the product: table rows and list items."""
    text = document.read_text()
    points = re.findall(r"^- .+(?:\n  .+)*", text, flags=re.MULTILINE)
    return [*rows(document), *points]


def test_every_statement_of_the_threat_model_names_its_test() -> None:
    """For a row of the table of calls, the heading names the test that reads the table."""
    calls = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) /")
    silent = [one for one in statements(SECURITY[0]) if not NAMED.search(one) and not calls.match(one)]
    assert silent == []


def test_every_protection_in_the_security_policy_names_its_test() -> None:
    text = SECURITY[1].read_text()
    in_place = text.partition("## What is in place")[2].partition("\n## ")[0]
    lines = [line for line in in_place.splitlines() if line.startswith("|")][2:]
    assert lines
    assert [line for line in lines if not NAMED.search(line) and "`./dev check`" not in line] == []
