"""The web server and the relay, started once for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.kit.server import Server, running_server


@pytest.fixture(scope="package")
def server(database: None) -> Iterator[Server]:
    with running_server() as running:
        yield running
