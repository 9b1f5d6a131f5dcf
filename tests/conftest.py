"""Fixtures of all tests: the engines of this run, and a database that is used as the application uses it.

There is no rollback between tests: services commit, as in production. Each test creates its own school, with names
that no other test uses.
"""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Role
from apps.common.startup import finish_loading
from tests.environment import started_engines
from tests.kit.people import Person, PersonFactory
from tests.kit.school import School, SchoolFactory


@pytest.fixture(scope="session")
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """PostgreSQL, migrated, connected as the role `app`: a superuser would bypass every policy."""
    finish_loading()
    with started_engines(), django_db_blocker.unblock():
        call_command("migrate", database="owner", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_user, (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)"
            )
            assert cursor.fetchone() == ("safesignal_app", False)
        yield


@pytest.fixture
def school(database: None) -> School:
    """A school that no other test uses."""
    return SchoolFactory.create()


@pytest.fixture
def admin(school: School) -> Person:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization)


@pytest.fixture
def operator(school: School) -> Person:
    return PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
