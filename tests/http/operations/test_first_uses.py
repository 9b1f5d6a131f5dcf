"""A server that has just started and gets many requests at once."""

import subprocess
import sys

import pytest

from contracts import ROOT
from tests.kit.patience import WAIT_SECONDS

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("database")
def test_server_survives_concurrent_first_messages() -> None:
    """A library prepared each type on first use, not safely for two threads at once: the process crashed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.first_uses"],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        timeout=2 * WAIT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout.endswith(" types\n")) == (0, True), (done.returncode, done.stderr)
