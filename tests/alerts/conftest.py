"""Every test of this folder uses the database as the application does."""

from tests.common.conftest import _database

__all__ = ["_database"]
