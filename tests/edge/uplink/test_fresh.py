"""Priorities of a backlog of fresh events: every device in turn, each alert in order, in small requests."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.store.backlog import Row
from edge_agent.uplink.fresh import EACH_AT_ONCE, FRESH_AT_ONCE, HELD_AT_MOST, Fresh, fair_share

MANY = 3 * FRESH_AT_ONCE
LOOP = asyncio.new_event_loop()


def row(number: int, alert: str | None) -> Row:
    return Row(f"{number:08d}", alert, b"{}")


def stored() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def test_latest_alert_does_not_wait_for_many_older_events() -> None:
    old = [row(number, "old") for number in range(MANY)]
    new = row(MANY, "new")
    assert fair_share([*old, new], {}) == [*old[:EACH_AT_ONCE], new]


def test_events_of_alert_are_chosen_from_beginning_in_order() -> None:
    rows = [row(number, f"ss-{number % 7}:1:1") for number in range(MANY)]
    chosen = fair_share(rows, {})
    assert chosen == sorted(chosen, key=lambda one: one.event_id)
    for alert in {one.alert_id for one in chosen}:
        of_alert = [one for one in chosen if one.alert_id == alert]
        assert of_alert == [one for one in rows if one.alert_id == alert][: len(of_alert)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=200), st.integers(0, 6))
def test_device_gets_turn_in_every_second_request(presses: list[tuple[int, int]], watched: int) -> None:
    """However many events others have, those of one device leave at least every second request."""
    fresh = Fresh()
    for number, (device, alert) in enumerate(presses):
        fresh.hold(row(number, f"ss-{device}:a1b2c3d4:{alert}"), asyncio.Future(loop=LOOP))
    since = 0
    while requested := fresh.next():
        fresh.settle([one.event_id for one in requested])
        assert len(requested) <= FRESH_AT_ONCE
        since = 0 if f"ss-{watched}" in {one.device for one in requested} else since + 1
        waits = any(one.startswith(f"ss-{watched}:") for one in fresh.alerts)
        assert not waits or since <= 1, "seven devices, at least four per request"


async def test_only_devices_of_current_request_wait() -> None:
    fresh = Fresh()
    fresh.hold(row(1, "ss-a:1:1"), stored())
    fresh.hold(row(2, "ss-b:1:1"), stored())
    assert [one.alert_id for one in fresh.next({"ss-a"})] == ["ss-b:1:1"]
    assert fresh.next({"ss-a", "ss-b"}) == []


async def test_flood_of_one_device_moves_only_its_events_to_backlog() -> None:
    fresh = Fresh()
    fresh.hold(row(0, "ss-quiet:1:1"), stored())
    for number in range(1, 3 * HELD_AT_MOST):
        fresh.hold(row(number, "ss-loud:1:1"), stored())
    assert len(fresh) <= HELD_AT_MOST
    assert fresh.lagging == {"ss-loud:1:1"}
    assert "ss-quiet:1:1" in fresh.alerts


async def test_unwritten_event_keeps_later_ones_of_alert_in_memory() -> None:
    """The backlog holds what is on the disk: later events there would overtake the unwritten one."""
    fresh = Fresh()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(OSError("refused"))
    fresh.hold(row(0, "ss-a:1:1"), failed)
    for number in range(1, MANY):
        fresh.hold(row(number, "ss-a:1:1"), stored())
    fresh.cloud_is_away()
    assert len(fresh) == MANY and not fresh.lagging


async def test_only_latest_complete_alerts_stay_in_memory_without_cloud() -> None:
    fresh = Fresh()
    for number in range(MANY):
        fresh.hold(row(number, f"alert {number % 30}"), stored())
    fresh.hold(row(MANY, "new"), stored())
    fresh.cloud_is_away()
    assert [one.alert_id for one in fresh.next()] == ["new"]
    assert len(fresh.lagging) == 30
    assert fresh.moved == MANY


async def test_unstored_events_never_leave_memory() -> None:
    fresh = Fresh()
    for number in range(MANY):
        fresh.hold(row(number, "alert"), asyncio.get_running_loop().create_future())
    fresh.cloud_is_away()
    assert len(fresh) == MANY
