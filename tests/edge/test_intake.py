"""Messages are taken one of each button in turn; a flood is counted and shown, and delays nobody."""

import asyncio
from pathlib import Path

import msgspec

from edge_agent.decision.floods import FLOOD_PRESSES, FLOOD_SECONDS
from edge_agent.intake import AT_MOST, PER_SECOND, Intake
from edge_agent.messages.events import TroubleBegan, TroubleEnded
from edge_agent.times import Instant
from tests.edge.support.rig import Rig, rig, until
from tests.edge.support.school import DEVICES, at

FLOOD = 10 * AT_MOST


async def test_message_of_one_button_waits_for_at_most_one_of_each_other() -> None:
    taken: list[str] = []
    dropped: list[str] = []
    intake = Intake(lambda device, _: taken.append(device), dropped.append, monotonic=lambda: 0.0)
    for _ in range(FLOOD):
        intake.put("loud", b"")
    intake.put("quiet", b"")
    intake.put("other", b"")
    while len(taken) < AT_MOST + 2:
        await asyncio.sleep(0)
    assert set(taken[:3]) == {"loud", "quiet", "other"}
    assert len(dropped) == FLOOD - AT_MOST and set(dropped) == {"loud"}


async def test_messages_of_one_button_keep_their_order() -> None:
    taken: list[bytes] = []
    intake = Intake(lambda _, body: taken.append(body), lambda _: None)
    for number in range(AT_MOST):
        intake.put("a", str(number).encode())
    while len(taken) < AT_MOST:
        await asyncio.sleep(0)
    assert taken == [str(number).encode() for number in range(AT_MOST)]


async def test_button_that_flooded_is_heard_again_when_it_stops() -> None:
    seconds = 0.0
    dropped: list[str] = []
    intake = Intake(lambda _, __: None, dropped.append, monotonic=lambda: seconds)
    for _ in range(FLOOD):
        intake.put("loud", b"")
    lost = len(dropped)
    seconds = 1.0
    for _ in range(int(PER_SECOND)):
        intake.put("loud", b"")
    assert len(dropped) == lost


def press(one: Rig, seq: int, pattern: str) -> None:
    """Made long before, by its own account, so that it is no bounce."""
    body = {"v": 1, "device": DEVICES[0], "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
    one.gateway.receive(DEVICES[0], msgspec.json.encode({**body, "age_ms": 2000 * seq, "pattern": pattern}))


async def test_flood_is_told_together_counted_and_shown_until_it_is_over(tmp_path: Path) -> None:
    """Every press is stored and confirmed, a new kind of alert is told at once, and more of the same once a second."""
    elapsed = 1000.0
    async with rig(tmp_path) as one:
        one.gateway.clock = lambda: Instant(at(elapsed), elapsed)
        count = 3 * FLOOD_PRESSES
        for seq in range(1, count + 1):
            press(one, seq, "short")
        press(one, count + 1, "long")
        await until(lambda: len(one.building.acks) == count + 1)
        await until(lambda: one.cloud.kinds().count("alert.raised") == 2)
        kept = one.cloud.kinds().count("alert.pressed_again")
        assert FLOOD_PRESSES - 1 <= kept <= FLOOD_PRESSES + 1
        begun = [event for event in one.cloud.offered if isinstance(event, TroubleBegan)]
        assert [(event.device, event.trouble) for event in begun] == [(DEVICES[0], "press_flood")]
        elapsed += 10 * FLOOD_SECONDS
        one.gateway.tick()
        ended = [event for event in one.cloud.offered if isinstance(event, TroubleEnded)]
        assert [event.trouble for event in ended] == ["press_flood"]
        assert str(count - 1 - kept) in str(ended[0].detail), "how many were only counted"
