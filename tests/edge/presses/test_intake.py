"""Fair intake of messages, one per button in turn; floods are counted, reported, and delay no other button."""

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


async def test_message_waits_for_at_most_one_of_each_other_button() -> None:
    accepted: list[str] = []
    dropped: list[str] = []
    intake = Intake(lambda device, _: accepted.append(device), dropped.append, monotonic=lambda: 0.0)
    for _ in range(FLOOD):
        intake.put("loud", b"")
    intake.put("quiet", b"")
    intake.put("other", b"")
    while len(accepted) < AT_MOST + 2:
        await asyncio.sleep(0)
    assert set(accepted[:3]) == {"loud", "quiet", "other"}
    assert len(dropped) == FLOOD - AT_MOST and set(dropped) == {"loud"}


async def test_messages_of_one_button_keep_their_order() -> None:
    accepted: list[bytes] = []
    intake = Intake(lambda _, body: accepted.append(body), lambda _: None)
    for number in range(AT_MOST):
        intake.put("a", str(number).encode())
    while len(accepted) < AT_MOST:
        await asyncio.sleep(0)
    assert accepted == [str(number).encode() for number in range(AT_MOST)]


async def test_button_is_accepted_again_after_flood() -> None:
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
    """Send a press with an age that excludes a bounce."""
    body = {"v": 1, "device": DEVICES[0], "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
    one.gateway.receive(DEVICES[0], msgspec.json.encode({**body, "age_ms": 2000 * seq, "pattern": pattern}))


async def test_flood_is_collapsed_counted_and_reported_until_it_ends(tmp_path: Path) -> None:
    """Every press is stored and confirmed; a new kind of alert is reported at once, repetitions once a second."""
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
        assert str(count - 1 - kept) in str(ended[0].detail), "the number of collapsed presses"
