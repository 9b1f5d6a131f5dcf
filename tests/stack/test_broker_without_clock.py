"""A broker on a machine whose clock starts in 1970 accepts the gateway and the buttons."""

import os
from pathlib import Path

import pytest

from devstack.machine import pki
from tests.edge.support.process import FAKETIME
from tests.stack.school import BROKERS, School, broker_or_skip, next_of, received_by

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("broker", sorted(BROKERS))
async def test_broker_with_clock_in_1970_accepts_buttons(broker: str, tmp_path: Path) -> None:
    """Certificates of the building start at the epoch, so that no lost clock is before them."""
    broker_or_skip(broker)
    if FAKETIME is None:
        reason = "libfaketime is not installed (Debian: apt install libfaketime)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    certificates = tmp_path / "pki"
    certificates.mkdir()
    pki.make_pki(certificates, buttons=1)
    with BROKERS[broker](certificates, tmp_path, "@1970-01-01 00:00:30") as port:
        school = School(port, certificates)
        button = school.button(0)
        async with (
            school.client(school.gateway()) as gateway,
            school.client(button) as pressed,
            received_by(gateway, "ss/v1/d/+/alert") as presses,
        ):
            await pressed.publish(f"ss/v1/d/{button.name}/alert", b"press", qos=1)
            assert (await next_of(presses)).payload == b"press"
