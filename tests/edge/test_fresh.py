"""What goes first when much has piled up: every device in turn, each alert in order, in small requests."""

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


def test_latest_alert_does_not_wait_for_the_many_events_of_an_older_one() -> None:
    old = [row(number, "old") for number in range(MANY)]
    new = row(MANY, "new")
    assert fair_share([*old, new], {}) == [*old[:EACH_AT_ONCE], new]


def test_events_of_an_alert_are_taken_from_the_beginning_and_in_order() -> None:
    rows = [row(number, f"ss-{number % 7}:1:1") for number in range(MANY)]
    chosen = fair_share(rows, {})
    assert chosen == sorted(chosen, key=lambda one: one.event_id)
    for alert in {one.alert_id for one in chosen}:
        of_alert = [one for one in chosen if one.alert_id == alert]
        assert of_alert == [one for one in rows if one.alert_id == alert][: len(of_alert)]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=200), st.integers(0, 6))
def test_device_waits_for_no_more_turns_than_there_are_devices(presses: list[tuple[int, int]], watched: int) -> None:
    """However much the others have: the events of one go out at least every second request, a few at a time."""
    fresh = Fresh()
    for number, (device, alert) in enumerate(presses):
        fresh.hold(row(number, f"ss-{device}:a1b2c3d4:{alert}"), asyncio.Future(loop=LOOP))
    since = 0
    while requested := fresh.next():
        fresh.settle([one.event_id for one in requested])
        assert len(requested) <= FRESH_AT_ONCE
        since = 0 if f"ss-{watched}" in {one.device for one in requested} else since + 1
        waits = any(one.startswith(f"ss-{watched}:") for one in fresh.alerts)
        assert not waits or since <= 1, "seven devices, four or more in a request"


async def test_device_of_which_a_request_speaks_waits_and_others_do_not() -> None:
    fresh = Fresh()
    fresh.hold(row(1, "ss-a:1:1"), stored())
    fresh.hold(row(2, "ss-b:1:1"), stored())
    assert [one.alert_id for one in fresh.next({"ss-a"})] == ["ss-b:1:1"]
    assert fresh.next({"ss-a", "ss-b"}) == []


async def test_flood_of_one_device_moves_no_event_of_another_to_the_backlog() -> None:
    fresh = Fresh()
    fresh.hold(row(0, "ss-quiet:1:1"), stored())
    for number in range(1, 3 * HELD_AT_MOST):
        fresh.hold(row(number, "ss-loud:1:1"), stored())
    assert len(fresh) <= HELD_AT_MOST
    assert fresh.lagging == {"ss-loud:1:1"}
    assert "ss-quiet:1:1" in fresh.alerts


async def test_event_that_could_not_be_written_keeps_later_ones_of_its_alert_in_memory() -> None:
    """The backlog is what is on the disk: were the later ones there, they would overtake it."""
    fresh = Fresh()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(OSError("refused"))
    fresh.hold(row(0, "ss-a:1:1"), failed)
    for number in range(1, MANY):
        fresh.hold(row(number, "ss-a:1:1"), stored())
    fresh.cloud_is_away()
    assert len(fresh) == MANY and not fresh.lagging


async def test_with_the_cloud_away_only_the_latest_whole_alerts_stay_in_memory() -> None:
    fresh = Fresh()
    for number in range(MANY):
        fresh.hold(row(number, f"alert {number % 30}"), stored())
    fresh.hold(row(MANY, "new"), stored())
    fresh.cloud_is_away()
    assert [one.alert_id for one in fresh.next()] == ["new"]
    assert len(fresh.lagging) == 30
    assert fresh.moved == MANY


async def test_what_is_not_stored_never_leaves_memory() -> None:
    fresh = Fresh()
    for number in range(MANY):
        fresh.hold(row(number, "alert"), asyncio.get_running_loop().create_future())
    fresh.cloud_is_away()
    assert len(fresh) == MANY
