"""Fixtures of this folder: every test uses the database as the application does, and creates its own school."""

import pytest

from tests.kit.full_school import make_full_school
from tests.kit.school import School


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """The engines of this run."""


@pytest.fixture(scope="module")
def schools(database: None) -> tuple[School, School]:
    """Two schools, ours and another, each with a row in every tenant table."""
    return make_full_school(), make_full_school()
