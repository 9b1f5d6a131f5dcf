"""What `./dev test` adds to pytest.

- Tests that run the whole chain stay in one process (pytest-xdist), so that its session is started once and what is
  measured there is not measured beside another chain.
- A figure that a test measured (`record_property("figure", text)`) is printed at the end.
- With CI=true a test that could not run is a failure: nobody reads a list of skips.
"""

import os

import pytest
from _pytest.terminal import TerminalReporter

# Names of markers, and of folders (whose conftest.py may add its marker later than this plugin looks).
WHOLE_CHAIN = ("stack", "browser", "faults")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group them, before xdist reads the groups."""
    for item in items:
        if any(item.get_closest_marker(name) or name in item.path.parts for name in WHOLE_CHAIN):
            item.add_marker(pytest.mark.xdist_group("chain"))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the figures, and what CI does not accept."""
    passed: list[pytest.TestReport] = terminalreporter.getreports("passed")
    figures = [str(text) for report in passed for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
    if _skipped(terminalreporter) and os.environ.get("CI") == "true":
        terminalreporter.section("CI=true: a test that cannot run is a failure", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI in which something was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, TerminalReporter) and _skipped(reporter) and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skipped(reporter: TerminalReporter) -> bool:
    return bool(reporter.getreports("skipped"))
