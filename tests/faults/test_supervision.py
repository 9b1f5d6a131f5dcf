"""Reporting of a dead gateway as a trouble on every screen, until it is back."""

import pytest

from apps.devices.trouble_kinds import GATEWAY_MISSING
from tests.faults.chain import Chain, until
from tests.faults.staff import listening

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(3600)]

"""The trouble is reported after one minute; a busy machine takes longer."""


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
async def test_dead_gateway_is_trouble_until_it_is_back(chain: Chain, *, frozen: bool) -> None:
    """A killed gateway closes its connections; a frozen one, as after a power failure, keeps them open."""
    async with listening(chain.demo, "operator") as screen:
        async with chain.away("edge", frozen=frozen):
            await until(lambda: GATEWAY_MISSING in screen.troubles(), "the trouble is reported")
        await until(lambda: GATEWAY_MISSING not in screen.troubles(), "it has ended")
