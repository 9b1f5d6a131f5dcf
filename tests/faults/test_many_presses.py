"""Many presses, repeated and out of order; joining presses and presses after a close; a press behind a backlog."""

import asyncio
import itertools
import os
import random
import secrets
import statistics
from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest
from rich.console import Console

from devstack.press.cloud import Cloud
from devstack.press.screen import Screen, screen
from devstack.simulator.button import Gesture
from devstack.simulator.gestures import gesture_for
from tests.faults import consistency
from tests.faults.button_bank import CONNECTIONS, ButtonBank, Pressed
from tests.faults.button_client import FIRST_SEQ, button_client
from tests.faults.chain import NIGHTLY, Chain, Figure, until
from tests.faults.staff import Listener, listening

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(3600)]

COPIES = 2
LATECOMERS = 200
LONGER_THAN_A_BOUNCE = 0.9

JOINING = 10
BACKLOG = 20_000 if NIGHTLY else 2_000
QUEUED_EACH = 25
"""Presses in the flash of a button that was offline for half a minute, one a second."""
TRIED = 30
AS_FAST = 3.0
"""Maximum ratio of a press behind a backlog to one without, on a machine with other work."""
MARGIN_SECONDS = 0.3


def chance() -> random.Random:
    seed = int(os.environ.get("SAFESIGNAL_SEED") or secrets.randbits(32))
    print(f"\nSAFESIGNAL_SEED={seed}")
    return random.Random(seed)


async def test_thousand_shuffled_and_repeated_presses_raise_thousand_alerts(
    chain: Chain, record_property: Figure
) -> None:
    dice, gesture = chance(), gesture_for("lockdown", silent=False)
    devices = dice.sample(chain.demo.devices, len(chain.demo.devices))
    free = asyncio.Semaphore(CONNECTIONS)
    names: set[str] = set()

    async def press(device: str) -> None:
        async with free, button_client(chain, device) as button:
            body = button.message(FIRST_SEQ, gesture)
            for _ in range(COPIES):
                await button.send(FIRST_SEQ, body)
                await asyncio.sleep(dice.uniform(0, 0.2))
            await button.wait_until_stored()
            names.add(button.name(FIRST_SEQ))

    # One of the thousand runs as its own process, and would take over our connection.
    async with chain.away("button", frozen=False), listening(chain.demo) as listener:
        for some in (devices, dice.sample(devices, LATECOMERS)):
            async with asyncio.TaskGroup() as group:
                for device in some:
                    group.create_task(press(device))
        assert len(names) == len(devices) == 1000
        await consistency.wait_until_settled(chain, listener, lambda: names <= set(listener.alerts()))
    created = [received.message.alert for received in listener.received if received.message.type == "alert.created"]
    assert {alert.alert_id for alert in created if alert is not None} == names
    assert len(created) == len(names)
    consistency.check_screen_is_complete(chain, listener)
    await asyncio.to_thread(consistency.check_no_duplicates, chain)
    messages = COPIES * (len(devices) + LATECOMERS)
    record_property("figure", f"{len(names)} presses in {messages} messages, shuffled: {len(created)} alerts")


async def test_presses_join_alert_until_person_closes_it(chain: Chain) -> None:
    bank, gesture = ButtonBank(chain), gesture_for("test", silent=False)
    devices = chain.demo.devices[-JOINING:]
    async with listening(chain.demo) as listener:
        first = await _all_press(bank, devices, gesture)
        for presses in (2, 3):
            await asyncio.sleep(LONGER_THAN_A_BOUNCE)
            await _all_press(bank, devices, gesture)
            await _wait_for_presses(listener, first, presses)
        await asyncio.to_thread(_close, chain, listener, first)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        second = await _all_press(bank, devices, gesture)
        await _wait_for_presses(listener, second, 1)
        await _wait_for_gateway(chain, second)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        await _all_press(bank, devices, gesture)
        await _wait_for_presses(listener, second, 2)
        await _wait_for_presses(listener, first, 3)
        await asyncio.to_thread(_close, chain, listener, second)


async def test_press_after_close_unknown_to_gateway_raises_new_alert(chain: Chain) -> None:
    """The gateway is down while people close the alerts, and the cloud is down when it comes back."""
    bank, gesture = ButtonBank(chain), gesture_for("test", silent=False)
    devices = chain.demo.devices[-2 * JOINING : -JOINING]
    async with listening(chain.demo) as listener:
        first = await _all_press(bank, devices, gesture)
        await _wait_for_presses(listener, first, 1)
        async with chain.away("edge", frozen=False):
            await asyncio.to_thread(_close, chain, listener, first)
            await asyncio.to_thread(chain.hold_down, "web")
            # A worker of the web server may outlive it for a moment, and would notify the gateway of the close.
            await until(lambda: not chain.answers("web"), "the cloud is away")
        second = await _all_press(bank, devices, gesture)
        joined = chain.gateway_rows("SELECT device || ':' || inst || ':' || seq, outcome FROM presses")
        assert {dict(joined)[press.name] for press in second} == {"pressed_again"}
        await asyncio.to_thread(chain.start, "web")
        await _wait_for_presses(listener, second, 1)
        await _wait_for_presses(listener, first, 1)
        await _wait_for_gateway(chain, second)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        await _all_press(bank, devices, gesture)
        await _wait_for_presses(listener, second, 2)
        await asyncio.to_thread(_close, chain, listener, second)


async def test_press_reaches_screen_without_delay_behind_backlog(chain: Chain, record_property: Figure) -> None:
    bank, gesture = ButtonBank(chain), gesture_for("medical", silent=True)
    fresh = iter(chain.demo.devices[1:])
    console = Console(stderr=True)
    async with screen(chain.demo, chain.demo.users["admin"], console) as staff_screen:
        calm = [await _seconds_to_screen(bank, next(fresh), gesture, staff_screen) for _ in range(TRIED)]
        await asyncio.to_thread(chain.hold_down, "web")
        stored = await _fill_backlog(chain)
        await asyncio.to_thread(chain.start, "web")
        await until(lambda: chain.answers("web") and _waiting(chain) < stored, "the backlog drains")
        draining: list[float] = []
        while len(draining) < TRIED and await asyncio.to_thread(_waiting, chain) > 0:
            draining.append(await _seconds_to_screen(bank, next(fresh), gesture, staff_screen))
        left = await asyncio.to_thread(_waiting, chain)
        await until(lambda: _waiting(chain) == 0, "the backlog is empty")
    record_property(
        "figure",
        f"press to screen, calm {_figures(calm)}; behind {stored} events, {left} of them left at the end"
        f" {_figures(draining)}; ratio {statistics.median(draining) / statistics.median(calm):.2f}",
    )
    assert len(draining) >= 5
    assert statistics.median(draining) < AS_FAST * statistics.median(calm) + MARGIN_SECONDS
    await asyncio.to_thread(consistency.check_no_duplicates, chain)
    await asyncio.to_thread(consistency.check_feed_is_complete, chain)


async def _fill_backlog(chain: Chain) -> int:
    """Reconnect offline buttons with presses in their flash; return the number of waiting events."""
    gesture, free = gesture_for("test", silent=False), asyncio.Semaphore(CONNECTIONS)

    async def queued(device: str, first: int) -> None:
        async with free, button_client(chain, device) as button:
            seqs = range(first, first + QUEUED_EACH)
            for age, seq in zip(range(QUEUED_EACH, 0, -1), seqs, strict=True):
                await button.send(seq, button.message(seq, gesture, ago=timedelta(seconds=age)))
            await button.wait_until_stored()

    devices = chain.demo.devices[1 : -2 * JOINING]
    rounds = ((number, device) for number in itertools.count(1) for device in devices)
    async with asyncio.TaskGroup() as group:
        for number, device in itertools.islice(rounds, BACKLOG // QUEUED_EACH):
            group.create_task(queued(device, FIRST_SEQ + number * QUEUED_EACH))
    return _waiting(chain)


def _waiting(chain: Chain) -> int:
    [[_, count]] = chain.gateway_rows("SELECT 'waiting', count(*) FROM outbox WHERE forwarded_at IS NULL")
    return int(count or 0)


async def _seconds_to_screen(bank: ButtonBank, device: str, gesture: Gesture, staff_screen: Screen) -> float:
    press = await bank.press(device, gesture)
    message = await staff_screen.wait_for(device, press.name, press.at)
    assert message is not None, f"{press.name} did not reach the screen"
    return (message.received_at - press.at).total_seconds()


def _figures(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {statistics.median(ordered) * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms of {len(ordered)}"


async def _all_press(bank: ButtonBank, devices: Sequence[str], gesture: Gesture) -> list[Pressed]:
    presses = await asyncio.gather(*(bank.press(device, gesture) for device in devices))
    assert [press for press in presses if press.confirmed_at is None] == []
    return presses


async def _wait_for_presses(listener: Listener, presses: Sequence[Pressed], count: int) -> None:
    """Wait until the alert of each of these presses has this number of presses."""

    def all_reached() -> bool:
        alerts = [listener.latest(press.name) for press in presses]
        return all(alert is not None and alert.presses == count for alert in alerts)

    await until(all_reached, f"alerts of {count} presses")


async def _wait_for_gateway(chain: Chain, presses: Sequence[Pressed]) -> None:
    """Wait until the gateway knows the alerts that the cloud raised for these presses.

    Before that it cannot join a press to them, and raises a third alert, which loses nothing.
    """

    def all_known() -> bool:
        closed_at = dict(chain.gateway_rows("SELECT alert_id, closed_at FROM alerts"))
        return all(press.name in closed_at and closed_at[press.name] is None for press in presses)

    await until(all_known, "the gateway knows the new alerts")


def _close(chain: Chain, listener: Listener, presses: Sequence[Pressed]) -> None:
    """Close these alerts as a person, through the API."""
    demo = chain.demo
    with Cloud(demo.base_url, demo.users["admin"]) as cloud:
        headers = {"Authorization": f"Bearer {cloud.access}"}
        with httpx.Client(base_url=demo.base_url, headers=headers, trust_env=False) as http:
            for press in presses:
                alert = listener.latest(press.name)
                assert alert is not None
                answer = http.put(f"/api/v1/alerts/{alert.id}/resolve", json={"reason": "test"})
                assert answer.status_code == httpx.codes.OK, answer.text
