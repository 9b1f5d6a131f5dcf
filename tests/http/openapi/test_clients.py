"""A client can be built from the document alone: both kinds are generated, compiled and run against a real cloud."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apps.accounts.models import Role
from clients.build import PROGRAMS, build_python, build_typescript, run, write_document
from tests.kit.people import PASSWORD, AccountFactory
from tests.kit.school import School, SchoolFactory
from tests.kit.server import Server, running_server

pytestmark = pytest.mark.slow

EXPECTED_OUTPUT = "Lincoln: 1 site, 2 rooms, first Art room"
REGISTRY = "https://registry.npmjs.org/openapi-fetch"


@pytest.fixture(scope="module")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def school(database: None) -> School:
    return SchoolFactory.create()


@pytest.fixture(scope="module")
def document(database: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    write_document(path)
    return path


@pytest.fixture
def signing_in(server: Server, school: School) -> list[str]:
    """Environment of the smoke-test programs."""
    person = AccountFactory.create(role=Role.OPERATOR, organization=school.organization)
    return [server.url, person.email, PASSWORD]


def test_generated_python_client_works(document: Path, tmp_path: Path, signing_in: list[str]) -> None:
    build_python(document, tmp_path)
    assert run([sys.executable, "smoke.py", *signing_in], tmp_path).strip() == EXPECTED_OUTPUT


def test_generated_typescript_client_works(document: Path, tmp_path: Path, signing_in: list[str]) -> None:
    if not _reaches_npm():
        pytest.skip("the npm registry is not reachable: its packages are fetched from there")
    build_typescript(document, tmp_path)
    assert run([str(PROGRAMS / "node"), "smoke.js", *signing_in], tmp_path).strip() == EXPECTED_OUTPUT


def test_wrong_password_returns_the_documented_problem(document: Path, tmp_path: Path, signing_in: list[str]) -> None:
    build_python(document, tmp_path)
    url, email, _ = signing_in
    with pytest.raises(Exception, match="non-zero exit"):
        run([sys.executable, "smoke.py", url, email, "not the password"], tmp_path)


def _reaches_npm() -> bool:
    try:
        return httpx.head(REGISTRY, timeout=10).is_success
    except httpx.HTTPError:
        return False
