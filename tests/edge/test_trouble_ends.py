"""Every kind of trouble has its end, is known after a restart, and is listed for the cloud while it stands."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import contracts
from edge_agent.decision.policy import Policy
from edge_agent.decision.state import State
from edge_agent.decision.trouble_kinds import OF_A_DEVICE, OF_THE_GATEWAY, QUIET, End
from edge_agent.decision.troubles import TOLD_AGAIN_AFTER
from edge_agent.messages.cloud import Configuration
from edge_agent.messages.events import Status, TroubleBegan, TroubleEnded
from edge_agent.standing import LISTED_AT_MOST
from edge_agent.times import Instant
from tests.edge.support.rig import Rig, rig, rows, until
from tests.edge.support.school import DEVICES, at, configuration, policy, press, take

STRANGER = "ss-999999"


def ended(one: Rig) -> set[tuple[str | None, str]]:
    return {(event.device, event.trouble) for event in one.cloud.offered if isinstance(event, TroubleEnded)}


def listed(one: Rig) -> set[tuple[str | None, str]]:
    one.gateway.status(0)
    status = one.cloud.offered[-1]
    assert isinstance(status, Status) and status.troubles is not msgspec.UNSET
    return {(trouble.device, trouble.trouble) for trouble in status.troubles}


def test_kinds_of_the_program_and_of_the_contract_are_the_same() -> None:
    ours = {word: ("gateway", ends) for word, ends in OF_THE_GATEWAY.items()}
    ours |= {word: ("device", ends) for word, ends in OF_A_DEVICE.items()}
    assert ours == {
        word: (kind.of, frozenset(map(End, kind.ends_by))) for word, kind in contracts.gateway_troubles().items()
    }
    assert all(ends for _, ends in ours.values())


@pytest.mark.parametrize(
    ("word", "pattern", "more"),
    [
        ("unknown_pattern", "morse", {}),
        ("clock_suspect", "long", {"at": at(-9999).isoformat(), "clock": "ntp"}),
        ("unknown_version", "long", {"doubts": ["unknown_version"]}),
    ],
)
def test_next_press_that_shows_a_trouble_no_more_ends_it(word: str, pattern: str, more: dict[str, object]) -> None:
    state = State(policy=policy())
    began = take(state, press(1, DEVICES[0], pattern, **more), 0)
    assert word in {event.trouble for event in began.events if isinstance(event, TroubleBegan)}
    again = take(state, press(2, DEVICES[0], pattern, **more), 60)
    assert not [event for event in again.events if isinstance(event, TroubleEnded)]
    good = take(state, press(3), 120)
    assert word in {event.trouble for event in good.events if isinstance(event, TroubleEnded)}
    assert not state.troubles


async def test_configuration_ends_what_is_right_by_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        one.gateway.trouble("no_configuration")
        one.press(1, STRANGER)
        await until(lambda: (STRANGER, "unknown_device") in listed(one))
        devices = [{"device": STRANGER, "room": None, "lifecycle": "active", "power": "mains"}]
        one.gateway.configure(msgspec.convert(configuration(version=8, devices=devices), Configuration))
        assert ended(one) == {(STRANGER, "unknown_device"), (None, "no_configuration")}


async def test_quiet_ends_what_only_messages_show(tmp_path: Path) -> None:
    elapsed = 0.0
    async with rig(tmp_path) as one:
        one.gateway.clock = lambda: Instant(at(elapsed), elapsed)
        one.press(1, STRANGER)
        one.gateway.trouble("undecided_press")
        one.gateway.trouble("broker")
        elapsed = (QUIET + TOLD_AGAIN_AFTER).total_seconds()
        one.gateway.tick()
        assert ended(one) == {(STRANGER, "unknown_device"), (None, "undecided_press")}


async def test_trouble_of_a_dead_gateway_is_ended_by_the_next_one(tmp_path: Path) -> None:
    """Killed with its broker gone: after the restart the broker is there, and the trouble hides no later one."""
    async with rig(tmp_path) as before:
        before.gateway.link(there=False)
        before.press(1, STRANGER)
        await until(lambda: len(before.building.acks) == 1)
        await before.store.submit()
    async with rig(tmp_path) as after:
        after.gateway.state.policy = Policy()
        assert listed(after) == {(None, "broker"), (STRANGER, "unknown_device")}
        assert not [event for event in after.cloud.offered if isinstance(event, TroubleBegan)], "it stood all the time"
        after.gateway.link(there=True)
        assert ended(after) == {(None, "broker")}
        after.gateway.link(there=False)
        assert isinstance(after.cloud.offered[-1], TroubleBegan), "and the next one is told of"
        await after.store.submit()
        assert set(rows(tmp_path, "SELECT device, trouble FROM troubles")) == {
            ("", "broker"),
            (STRANGER, "unknown_device"),
        }


async def test_restart_ends_troubles_that_it_shows_to_be_over(tmp_path: Path) -> None:
    async with rig(tmp_path) as before:
        for word in ("store_failing", "event_refused", "gateway_clock"):
            before.gateway.trouble(word)
        await before.store.submit()
    async with rig(tmp_path) as after:
        assert ended(after) == {(None, "store_failing"), (None, "event_refused")}
        assert listed(after) == {(None, "gateway_clock")}


async def test_trouble_that_stands_is_dated_from_its_beginning_when_it_is_told_again(tmp_path: Path) -> None:
    elapsed = 0.0
    async with rig(tmp_path) as one:
        one.gateway.clock = lambda: Instant(at(elapsed), elapsed)
        one.gateway.trouble("broker")
        elapsed = TOLD_AGAIN_AFTER / timedelta(seconds=1)
        one.gateway.trouble("broker")
        began = [event for event in one.cloud.offered if isinstance(event, TroubleBegan)]
        assert len(began) == 2 and began[0].since == began[1].since
        await asyncio.sleep(0)


async def test_more_troubles_than_a_message_may_list_are_not_listed_in_part(tmp_path: Path) -> None:
    """A part of them would end the rest in the cloud."""
    async with rig(tmp_path) as one:
        for number in range(LISTED_AT_MOST + 1):
            one.gateway.trouble(f"trouble_{number}")
        one.gateway.status(0)
        status = one.cloud.offered[-1]
        assert isinstance(status, Status) and status.troubles is msgspec.UNSET
