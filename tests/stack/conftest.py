"""The whole chain, started once for all tests of this folder; and a broker with the certificates of a school."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.machine import pki
from devstack.testing.stack import Stack, running_stack
from tests.stack import brokers
from tests.stack.school import BROKERS, School, broker_or_skip


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running SafeSignal. Its path has what breaks careless quoting."""
    home = tmp_path_factory.mktemp("stack") / "a home, 100%(x)s safe"
    with running_stack(home) as running:
        yield running


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    pki.make_pki(folder, buttons=4)
    pki.gateway_identity(folder, brokers.GATEWAY_ID)
    return folder


@pytest.fixture(scope="module", params=sorted(BROKERS))
def school(
    request: pytest.FixtureRequest, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[School]:
    name: str = request.param
    broker_or_skip(name)
    with BROKERS[name](certificates, tmp_path_factory.mktemp(name)) as port:
        yield School(port, certificates)
