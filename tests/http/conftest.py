"""Every test of this folder uses the database as the application does."""

import logging
from collections.abc import Iterator

import pytest

from tests.http.log_lines import Lines


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """The engines of this run."""


@pytest.fixture
def log() -> Iterator[Lines]:
    """All log lines, at every level."""
    root, lines = logging.getLogger(), Lines()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(lines)
    yield lines
    root.removeHandler(lines)
    root.setLevel(level)
