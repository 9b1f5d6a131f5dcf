"""What goes first when much has piled up: the latest alerts, each whole and in order, in small requests."""

import asyncio

from edge_agent.store.store import Row
from edge_agent.uplink.fresh import FRESH_AT_ONCE, Fresh, latest

MANY = 3 * FRESH_AT_ONCE


def row(number: int, alert: str | None) -> Row:
    return Row(f"{number:08d}", alert, b"{}")


def stored() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


def test_the_latest_alert_does_not_wait_for_an_older_ones_long_story() -> None:
    story = [row(number, "old") for number in range(MANY)]
    new = row(MANY, "new")
    assert latest([*story, new]) == [new]
    assert latest(story) == story


def test_an_alerts_events_stay_together_and_in_order() -> None:
    rows = [row(number, f"alert {number % 7}") for number in range(MANY)]
    chosen = latest(rows)
    assert chosen == sorted(chosen, key=lambda one: one.event_id)
    for alert in {one.alert_id for one in chosen}:
        assert [one for one in chosen if one.alert_id == alert] == [one for one in rows if one.alert_id == alert]


async def test_an_alert_of_which_the_backlog_is_telling_waits_for_it() -> None:
    fresh = Fresh()
    fresh.hold(row(1, "told there"), stored())
    fresh.hold(row(2, "ours"), stored())
    assert [one.alert_id for one in fresh.next({"told there"})] == ["ours"]
    assert fresh.next({"told there", "ours"}) == []


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
    assert len(fresh.next()) == MANY
