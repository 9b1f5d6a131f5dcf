"""The whole chain, started once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from devstack.testing import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running SafeSignal. Its path has what breaks careless quoting."""
    home = tmp_path_factory.mktemp("stack") / "a home, 100%(x)s safe"
    with running_stack(home) as running:
        yield running
