"""The web server and the relay, started once for the tests of this folder."""

from collections.abc import Iterator

import pytest

from apps.accounts.models import Role
from tests.kit.people import Person, PersonFactory
from tests.kit.school import School
from tests.kit.server import Server, running_server


@pytest.fixture(scope="package")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture
def operator(school: School) -> Person:
    return PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
