"""Every kind of trouble ends, is restored after a restart, and is listed for the cloud while it lasts."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

import contracts
from edge_agent.decision.policy import Policy
from edge_agent.decision.state import State
from edge_agent.decision.trouble_kinds import OF_A_DEVICE, OF_THE_GATEWAY, QUIET, End
from edge_agent.decision.troubles import REPORT_AGAIN_AFTER
from edge_agent.messages.cloud import Configuration
from edge_agent.messages.events import Status, TroubleBegan, TroubleEnded
from edge_agent.standing import LISTED_AT_MOST
from edge_agent.times import Instant
from tests.edge.support.rig import Rig, rig, rows, until
from tests.edge.support.school import DEVICES, accept, at, configuration, policy, press

STRANGER = "ss-999999"


def ended(one: Rig) -> set[tuple[str | None, str]]:
    return {(event.device, event.trouble) for event in one.cloud.offered if isinstance(event, TroubleEnded)}


def listed(one: Rig) -> set[tuple[str | None, str]]:
    one.gateway.status(0)
    status = one.cloud.offered[-1]
    assert isinstance(status, Status) and status.troubles is not msgspec.UNSET
    return {(trouble.device, trouble.trouble) for trouble in status.troubles}


def test_trouble_kinds_match_contract() -> None:
    ours = {trouble_kind: ("gateway", ends) for trouble_kind, ends in OF_THE_GATEWAY.items()}
    ours |= {trouble_kind: ("device", ends) for trouble_kind, ends in OF_A_DEVICE.items()}
    assert ours == {
        trouble_kind: (kind.of, frozenset(map(End, kind.ends_by)))
        for trouble_kind, kind in contracts.gateway_troubles().items()
    }
    assert all(ends for _, ends in ours.values())


@pytest.mark.parametrize(
    ("trouble_kind", "pattern", "more"),
    [
        ("unknown_pattern", "morse", {}),
        ("clock_suspect", "long", {"at": at(-9999).isoformat(), "clock": "ntp"}),
        ("unknown_version", "long", {"doubts": ["unknown_version"]}),
    ],
)
def test_next_press_without_trouble_ends_it(trouble_kind: str, pattern: str, more: dict[str, object]) -> None:
    state = State(policy=policy())
    began = accept(state, press(1, DEVICES[0], pattern, **more), 0)
    assert trouble_kind in {event.trouble for event in began.events if isinstance(event, TroubleBegan)}
    again = accept(state, press(2, DEVICES[0], pattern, **more), 60)
    assert not [event for event in again.events if isinstance(event, TroubleEnded)]
    good = accept(state, press(3), 120)
    assert trouble_kind in {event.trouble for event in good.events if isinstance(event, TroubleEnded)}
    assert not state.troubles


async def test_configuration_ends_troubles_that_it_corrects(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        one.gateway.trouble("no_configuration")
        one.press(1, STRANGER)
        await until(lambda: (STRANGER, "unknown_device") in listed(one))
        devices = [{"device": STRANGER, "room": None, "lifecycle": "active", "power": "mains"}]
        one.gateway.configure(msgspec.convert(configuration(version=8, devices=devices), Configuration))
        assert ended(one) == {(STRANGER, "unknown_device"), (None, "no_configuration")}


async def test_quiet_period_ends_troubles_of_messages(tmp_path: Path) -> None:
    elapsed = 0.0
    async with rig(tmp_path) as one:
        one.gateway.clock = lambda: Instant(at(elapsed), elapsed)
        one.press(1, STRANGER)
        one.gateway.trouble("undecided_press")
        one.gateway.trouble("broker")
        elapsed = (QUIET + REPORT_AGAIN_AFTER).total_seconds()
        one.gateway.tick()
        assert ended(one) == {(STRANGER, "unknown_device"), (None, "undecided_press")}


async def test_trouble_of_killed_gateway_is_ended_after_restart(tmp_path: Path) -> None:
    """Killed without its broker: after a restart with the broker back, the old trouble must not hide a later one."""
    async with rig(tmp_path) as before:
        before.gateway.link(there=False)
        before.press(1, STRANGER)
        await until(lambda: len(before.building.acks) == 1)
        await before.store.submit()
    async with rig(tmp_path) as after:
        after.gateway.state.policy = Policy()
        assert listed(after) == {(None, "broker"), (STRANGER, "unknown_device")}
        assert not [event for event in after.cloud.offered if isinstance(event, TroubleBegan)], "it had already begun"
        after.gateway.link(there=True)
        assert ended(after) == {(None, "broker")}
        after.gateway.link(there=False)
        assert isinstance(after.cloud.offered[-1], TroubleBegan), "the next one is reported"
        await after.store.submit()
        assert set(rows(tmp_path, "SELECT device, trouble FROM troubles")) == {
            ("", "broker"),
            (STRANGER, "unknown_device"),
        }


async def test_restart_ends_disproved_troubles(tmp_path: Path) -> None:
    async with rig(tmp_path) as before:
        for trouble_kind in ("store_failing", "event_refused", "gateway_clock"):
            before.gateway.trouble(trouble_kind)
        await before.store.submit()
    async with rig(tmp_path) as after:
        assert ended(after) == {(None, "store_failing"), (None, "event_refused")}
        assert listed(after) == {(None, "gateway_clock")}


async def test_repeated_report_of_trouble_keeps_its_beginning(tmp_path: Path) -> None:
    elapsed = 0.0
    async with rig(tmp_path) as one:
        one.gateway.clock = lambda: Instant(at(elapsed), elapsed)
        one.gateway.trouble("broker")
        elapsed = REPORT_AGAIN_AFTER / timedelta(seconds=1)
        one.gateway.trouble("broker")
        began = [event for event in one.cloud.offered if isinstance(event, TroubleBegan)]
        assert len(began) == 2 and began[0].since == began[1].since
        await asyncio.sleep(0)


async def test_troubles_above_limit_are_not_listed(tmp_path: Path) -> None:
    """A partial list would end the other troubles in the cloud."""
    async with rig(tmp_path) as one:
        for number in range(LISTED_AT_MOST + 1):
            one.gateway.trouble(f"trouble_{number}")
        one.gateway.status(0)
        status = one.cloud.offered[-1]
        assert isinstance(status, Status) and status.troubles is msgspec.UNSET
