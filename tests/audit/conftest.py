"""Every test of this folder uses the database as the application does, and creates its own school."""

import pytest

from tests.kit.school import School, SchoolFactory


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """The engines of this run."""


@pytest.fixture
def school() -> School:
    """A school that no other test has."""
    return SchoolFactory.create()
