"""Events of one alert leave in the order of their ids, whatever the order of arrival."""

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.messages.events import ActionStarted, Event, TroubleBegan
from edge_agent.order import InOrder, Outgoing

LOOP = asyncio.new_event_loop()


def event(number: int, alert_id: str | None) -> Event:
    if alert_id is None:
        return TroubleBegan(event_id=f"{number:03}", at="", device=None, trouble="x", detail=None, since="")
    return ActionStarted(
        event_id=f"{number:03}",
        at="",
        alert_id=alert_id,
        action="pa",
        target="",
        room=None,
        generation=1,
        confirmed=False,
    )


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=12), st.randoms(use_true_random=False))
def test_events_leave_in_order_and_completely(alerts: list[str | None], chance: Random) -> None:
    events = [event(number, alert_id) for number, alert_id in enumerate(alerts)]
    order = InOrder()
    order.expect(events)
    coming, left = list(events), []
    chance.shuffle(coming)
    for one in coming:
        left += [out.event for out in order.ready([Outgoing(one, asyncio.Future(loop=LOOP))])]
    assert sorted(one.event_id for one in left) == [one.event_id for one in events]
    for alert_id in ("a", "b"):
        ids = [one.event_id for one in left if one.about == alert_id]
        assert ids == sorted(ids)
