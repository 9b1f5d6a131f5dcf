"""What the tests of presses share."""

import pytest

from edge_agent.decision.state import State
from tests.edge.support.school import policy


@pytest.fixture
def state() -> State:
    """A gateway that has its configuration, and no alert yet."""
    return State(policy=policy())
