"""`./dev check` finds code that is written twice."""

from pathlib import Path

import pytest

from devstack.checks.duplicates import ALLOWED_LINES, problems


def write(file: Path, lines: int) -> None:
    """A file with its own first line and this many lines that every such file has."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shared = [f"/* line {number} of a function */" for number in range(lines)]
    file.write_text("\n".join([f"/* {file.name} */", *shared, ""]))


@pytest.mark.parametrize("names", [("apps/alerts/a.py", "edge_agent/b.py"), ("firmware/core/a.c", "firmware/core/b.c")])
def test_two_files_may_share_only_so_many_lines(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write(tmp_path / name, ALLOWED_LINES)
    assert problems(tmp_path) == ""
    for name in names:
        write(tmp_path / name, ALLOWED_LINES + 1)
    assert all(name in problems(tmp_path) for name in names)


@pytest.mark.parametrize("name", ["apps/alerts/migrations/0001_initial.py", "tests/alerts/test_a.py"])
def test_migrations_and_tests_may_repeat_code(tmp_path: Path, name: str) -> None:
    for file in (name, "apps/alerts/a.py"):
        write(tmp_path / file, ALLOWED_LINES + 1)
    assert problems(tmp_path) == ""


def test_comparison_of_no_files_is_a_problem(tmp_path: Path) -> None:
    assert "required: files" in problems(tmp_path)
