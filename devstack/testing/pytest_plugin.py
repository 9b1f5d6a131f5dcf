"""The pytest plugin of `./dev test`.

- `--fast` leaves out tests that are marked as slow, and does not import a module whose tests are all marked so.
- Tests of the whole chain stay in one process (pytest-xdist), so that its session starts once and its measurements
  do not run beside another chain.
- Figures measured by tests (`record_property("figure", text)`) are printed at the end.
- With CI=true a skipped test is a failure, as skips would go unnoticed.
"""

import ast
import gc
import os
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from _pytest.terminal import TerminalReporter

WHOLE_CHAIN: Final = frozenset({"stack", "browser"})
NOT_FAST: Final = WHOLE_CHAIN | {"slow"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--fast`."""
    parser.addoption("--fast", action="store_true", help=f"without tests marked {', '.join(sorted(NOT_FAST))}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the import of a module of which nothing would run."""
    if config.getoption("fast") and collection_path.suffix == ".py" and NOT_FAST & _marks_of_module(collection_path):
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage: almost all that is made meanwhile stays until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests before xdist reads the groups, and deselect those that are not fast."""
    marked = [(item, {mark.name for mark in item.iter_markers()}) for item in items]
    for item, marks in marked:
        if marks & WHOLE_CHAIN:
            item.add_marker(pytest.mark.xdist_group("chain"))
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=[item for item, marks in marked if marks & NOT_FAST])
        items[:] = [item for item, marks in marked if not marks & NOT_FAST]


def _marks_of_module(path: Path) -> set[str]:
    """The names in `pytestmark = ...` at the top level of a module."""
    for statement in ast.parse(path.read_bytes()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            return {node.attr for node in ast.walk(statement.value) if isinstance(node, ast.Attribute)}
    return set()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures, and a warning about skips in CI."""
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    figures = [str(text) for report in passed for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
    if _skipped(terminalreporter) and os.environ.get("CI") == "true":
        terminalreporter.section("CI=true: a skipped test is a failure", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run with skipped tests."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, TerminalReporter) and _skipped(reporter) and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skipped(reporter: TerminalReporter) -> bool:
    return bool(reporter.getreports("skipped"))
