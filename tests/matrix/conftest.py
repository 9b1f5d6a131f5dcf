"""Schools and callers, created once for the tests of this folder."""

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.kit.passwords import FAST_HASHERS
from tests.kit.quiet import without_request_log
from tests.matrix.callers import Caller, World, callers, make_world


@pytest.fixture(scope="package")
def world(database: None) -> Iterator[World]:
    with without_request_log(), override_settings(PASSWORD_HASHERS=FAST_HASHERS):
        yield make_world()


@pytest.fixture(scope="package")
def everybody(world: World) -> list[tuple[Caller, str | None]]:
    """Each caller with a token of their own."""
    return [(caller, caller.make_token()) for caller in callers(world)]
