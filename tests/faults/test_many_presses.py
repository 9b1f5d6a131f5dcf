"""Many presses, sent twice and out of order; presses that join, and presses after a close; a press behind a backlog."""

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

from devstack.button import Hand
from devstack.cloud import Cloud
from devstack.hands import hand_for
from devstack.screen import Screen, screen
from tests.faults import books
from tests.faults.chain import NIGHTLY, Chain, Figure, until
from tests.faults.radio import FIRST_SEQ, radio
from tests.faults.staff import Listener, listening
from tests.faults.wall import CONNECTIONS, Pressed, Wall

pytestmark = [pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(1800 if NIGHTLY else 300)]

COPIES = 2
LATECOMERS = 200
SHOWN_SECONDS = 120.0
LONGER_THAN_A_BOUNCE = 0.9

JOINING = 10
BACKLOG = 20_000 if NIGHTLY else 2_000
QUEUED_EACH = 25
"""Presses that a button which was out of reach for half a minute has in its flash, one a second."""
TRIED = 30
AS_FAST = 3.0
"""How many times as long as on a calm day a press may take behind a backlog, on a machine that also does the rest."""
MARGIN_SECONDS = 0.3


def chance() -> random.Random:
    seed = int(os.environ.get("SAFESIGNAL_SEED") or secrets.randbits(32))
    print(f"\nSAFESIGNAL_SEED={seed}")
    return random.Random(seed)


async def test_a_thousand_buttons_sent_twice_and_shuffled_are_a_thousand_alerts(
    chain: Chain, record_property: Figure
) -> None:
    dice, hand = chance(), hand_for("lockdown", silent=False)
    devices = dice.sample(chain.demo.devices, len(chain.demo.devices))
    free = asyncio.Semaphore(CONNECTIONS)
    names: set[str] = set()

    async def press(device: str) -> None:
        async with free, radio(chain, device) as button:
            body = button.message(FIRST_SEQ, hand)
            for _ in range(COPIES):
                await button.say(body)
                await asyncio.sleep(dice.uniform(0, 0.2))
            await button.told_stored([FIRST_SEQ])
            names.add(button.name(FIRST_SEQ))

    # One of the thousand is a process of its own, and would take its name back from us.
    async with chain.away("button", frozen=False), listening(chain.demo) as listener:
        for some in (devices, dice.sample(devices, LATECOMERS)):
            async with asyncio.TaskGroup() as group:
                for device in some:
                    group.create_task(press(device))
        assert len(names) == len(devices) == 1000
        await books.at_rest(chain, listener, lambda: names <= set(listener.alerts()))
    created = [heard.message.alert for heard in listener.heard if heard.message.type == "alert.created"]
    assert {alert.alert_id for alert in created if alert is not None} == names
    assert len(created) == len(names)
    books.screen_got_all(chain, listener)
    await asyncio.to_thread(books.nothing_is_doubled, chain)
    messages = COPIES * (len(devices) + LATECOMERS)
    record_property("figure", f"{len(names)} presses in {messages} messages, shuffled: {len(created)} alerts")


async def test_presses_join_until_a_person_closes(chain: Chain) -> None:
    wall, hand = Wall(chain), hand_for("test", silent=False)
    devices = chain.demo.devices[-JOINING:]
    async with listening(chain.demo) as listener:
        first = await _all_press(wall, devices, hand)
        for presses in (2, 3):
            await asyncio.sleep(LONGER_THAN_A_BOUNCE)
            await _all_press(wall, devices, hand)
            await _shown(listener, first, presses)
        await asyncio.to_thread(_close, chain, listener, first)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        second = await _all_press(wall, devices, hand)
        await _shown(listener, second, 1)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        await _all_press(wall, devices, hand)
        await _shown(listener, second, 2)
        await _shown(listener, first, 3)
        await asyncio.to_thread(_close, chain, listener, second)


async def test_a_press_after_a_close_that_the_gateway_cannot_know_of_is_a_new_alert(chain: Chain) -> None:
    """The gateway is down while people close, and the cloud is down when it comes back."""
    wall, hand = Wall(chain), hand_for("test", silent=False)
    devices = chain.demo.devices[-2 * JOINING : -JOINING]
    async with listening(chain.demo) as listener:
        first = await _all_press(wall, devices, hand)
        await _shown(listener, first, 1)
        async with chain.away("edge", frozen=False):
            await asyncio.to_thread(_close, chain, listener, first)
            await asyncio.to_thread(chain.hold_down, "web")
            # A worker of the web server may outlive it for a moment, and would tell the gateway of the close.
            await until(lambda: not chain.answers("web"), "the cloud is away", seconds=60)
        second = await _all_press(wall, devices, hand)
        joined = chain.gateway_rows("SELECT device || ':' || inst || ':' || seq, outcome FROM presses")
        assert {dict(joined)[press.name] for press in second} == {"pressed_again"}
        await asyncio.to_thread(chain.start, "web")
        await _shown(listener, second, 1)
        await _shown(listener, first, 1)
        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
        await _all_press(wall, devices, hand)
        await _shown(listener, second, 2)
        await asyncio.to_thread(_close, chain, listener, second)


async def test_a_press_behind_a_backlog_is_shown_as_fast_as_on_a_calm_day(
    chain: Chain, record_property: Figure
) -> None:
    wall, hand = Wall(chain), hand_for("medical", silent=True)
    fresh = iter(chain.demo.devices[1:])
    console = Console(stderr=True)
    async with screen(chain.demo, chain.demo.users["admin"], console) as seen:
        calm = [await _seconds_to_screen(wall, next(fresh), hand, seen) for _ in range(TRIED)]
        await asyncio.to_thread(chain.hold_down, "web")
        stored = await _fill_backlog(chain)
        await asyncio.to_thread(chain.start, "web")
        await until(lambda: chain.answers("web") and _waiting(chain) < stored, "the backlog drains", seconds=60)
        draining: list[float] = []
        while len(draining) < TRIED and await asyncio.to_thread(_waiting, chain) > 0:
            draining.append(await _seconds_to_screen(wall, next(fresh), hand, seen))
        left = await asyncio.to_thread(_waiting, chain)
        await until(lambda: _waiting(chain) == 0, "the backlog is empty", seconds=600)
    record_property(
        "figure",
        f"press to screen, calm {_figures(calm)}; behind {stored} events, {left} of them left at the end"
        f" {_figures(draining)}; ratio {statistics.median(draining) / statistics.median(calm):.2f}",
    )
    assert len(draining) >= 5
    assert statistics.median(draining) < AS_FAST * statistics.median(calm) + MARGIN_SECONDS
    await asyncio.to_thread(books.nothing_is_doubled, chain)
    await asyncio.to_thread(books.feed_is_whole, chain)


async def _fill_backlog(chain: Chain) -> int:
    """Buttons that were out of reach come back, each with presses in its flash; how many events then wait."""
    hand, free = hand_for("test", silent=False), asyncio.Semaphore(CONNECTIONS)

    async def queued(device: str, first: int) -> None:
        async with free, radio(chain, device) as button:
            seqs = range(first, first + QUEUED_EACH)
            for age, seq in zip(range(QUEUED_EACH, 0, -1), seqs, strict=True):
                await button.say(button.message(seq, hand, ago=timedelta(seconds=age)))
            await button.told_stored(seqs)

    devices = chain.demo.devices[1 : -2 * JOINING]
    rounds = ((number, device) for number in itertools.count(1) for device in devices)
    async with asyncio.TaskGroup() as group:
        for number, device in itertools.islice(rounds, BACKLOG // QUEUED_EACH):
            group.create_task(queued(device, FIRST_SEQ + number * QUEUED_EACH))
    return _waiting(chain)


def _waiting(chain: Chain) -> int:
    [[_, count]] = chain.gateway_rows("SELECT 'waiting', count(*) FROM outbox WHERE forwarded_at IS NULL")
    return int(count or 0)


async def _seconds_to_screen(wall: Wall, device: str, hand: Hand, seen: Screen) -> float:
    press = await wall.press(device, hand)
    shown = await seen.wait_for(device, press.name, press.at)
    assert shown is not None, f"{press.name} did not come onto the screen"
    return (shown.received_at - press.at).total_seconds()


def _figures(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"p50 {statistics.median(ordered) * 1000:.0f} ms, worst {ordered[-1] * 1000:.0f} ms of {len(ordered)}"


async def _all_press(wall: Wall, devices: Sequence[str], hand: Hand) -> list[Pressed]:
    presses = await asyncio.gather(*(wall.press(device, hand) for device in devices))
    assert [press for press in presses if press.told_at is None] == []
    return presses


async def _shown(listener: Listener, presses: Sequence[Pressed], count: int) -> None:
    """Wait until each of these presses' own alerts shows that many presses, and see that it stays so."""

    def all_shown() -> bool:
        alerts = [listener.latest(press.name) for press in presses]
        return all(alert is not None and alert.presses == count for alert in alerts)

    await until(all_shown, f"alerts of {count} presses", seconds=SHOWN_SECONDS)


def _close(chain: Chain, listener: Listener, presses: Sequence[Pressed]) -> None:
    """A person ends these alerts, through the API."""
    demo = chain.demo
    with Cloud(demo.base_url, demo.users["admin"]) as cloud:
        headers = {"Authorization": f"Bearer {cloud.access}"}
        with httpx.Client(base_url=demo.base_url, headers=headers, trust_env=False) as http:
            for press in presses:
                alert = listener.latest(press.name)
                assert alert is not None
                answer = http.put(f"/api/v1/alerts/{alert.id}/resolve", json={"reason": "test"})
                assert answer.status_code == httpx.codes.OK, answer.text
