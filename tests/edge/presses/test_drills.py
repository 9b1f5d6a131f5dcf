"""Drills: one press of an armed button is a drill, and every other press is real."""

from edge_agent.decision import closing
from edge_agent.decision.state import State
from edge_agent.messages.events import Raised
from tests.edge.support.school import DEVICES, HALL, ROOMS, accept, at, instant, press, press_event


def test_armed_device_raises_one_drill(state: State) -> None:
    """Every press is real except that of an armed device: once, for at most 60 s."""
    closing.arm(state, DEVICES[0], at(600), instant(0))
    assert not press_event(accept(state, press(1, device=DEVICES[1]), 1)).drill
    assert press_event(accept(state, press(1), 59)).drill
    real = press_event(accept(state, press(2), 60))
    assert not real.drill and isinstance(real, Raised), "the next press is real, and not part of the drill"


def test_arming_expires(state: State) -> None:
    closing.arm(state, DEVICES[0], at(600), instant(0))
    assert not press_event(accept(state, press(1), 60.001)).drill


def test_expired_arming_is_ignored(state: State) -> None:
    closing.arm(state, DEVICES[0], at(-1), instant(0))
    assert not press_event(accept(state, press(1), 0)).drill


def test_press_before_arming_is_real(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    assert not press_event(accept(state, press(1, age_ms=5000), 2)).drill


def test_bounce_of_drill_raises_no_real_alert(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    accept(state, press(1), 1)
    assert accept(state, press(2), 1.3).outcome == "bounce"


def test_real_press_preempts_drill(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    drill = accept(state, press(1), 1)
    real = accept(state, press(1, device=DEVICES[1], pattern="triple"), 2)
    assert drill.announcements[0][1].drill and drill.announcements[0][1].priority < real.announcements[0][1].priority
    assert {room for room, _ in real.announcements} == {*ROOMS, HALL}
