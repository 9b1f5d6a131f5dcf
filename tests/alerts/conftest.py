"""Every test of this folder uses the database as the application does."""

from tests.common.conftest import _database, school

__all__ = ["_database", "school"]
