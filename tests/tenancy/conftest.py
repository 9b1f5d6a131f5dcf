"""Every test of this folder uses the database as the application does."""

import pytest

from tests.kit.callers import Caller, admin_of, super_admin
from tests.kit.school import School


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """The engines of this run."""


@pytest.fixture
def admin(school: School) -> Caller:
    """An administrator of the school."""
    return admin_of(school.organization)


@pytest.fixture
def operator_of_platform() -> Caller:
    """A super admin, in no school."""
    return super_admin()
