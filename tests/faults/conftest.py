"""The whole chain, started once for the tests of this folder that run it."""

from collections.abc import Iterator

import pytest

from devstack.testing.stack import running_stack
from tests.faults.chain import Chain


@pytest.fixture(scope="package")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A running SafeSignal with its thousand buttons."""
    with running_stack(tmp_path_factory.mktemp("faults") / "home") as stack:
        yield Chain(stack)
