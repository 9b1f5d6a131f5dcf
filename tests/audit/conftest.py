"""Every test of this folder uses the database as the application does, and creates its own school."""

import pytest


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """The engines of this run."""
