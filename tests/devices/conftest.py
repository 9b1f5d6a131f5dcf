"""Every test of this folder uses the database as the application does."""

from tests.tenancy.conftest import _database, admin

__all__ = ["_database", "admin"]
