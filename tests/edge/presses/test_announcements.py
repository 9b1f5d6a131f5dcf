"""Announcements of alerts by the speakers of the building."""

import pytest

from edge_agent.decision import closing
from edge_agent.decision.state import State
from tests.edge.support.school import DEVICES, HALL, ROOMS, accept, document, instant, press, press_event


def test_old_alert_of_phone_is_not_announced(state: State) -> None:
    phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None)
    update = closing.apply_document(state, phone, instant(121))
    assert update is not None and update.announcements == ()


@pytest.mark.parametrize("pattern", ["long", "short"])
def test_lockdown_and_assist_are_not_announced_in_room_of_origin(state: State, pattern: str) -> None:
    """A speaker that is also audible in other rooms is not muted."""
    assert {room for room, _ in accept(state, press(pattern=pattern), 0).announcements} == {*ROOMS[1:], HALL}


def test_room_of_open_alert_stays_muted_for_other_rooms(state: State) -> None:
    accept(state, press(1, device=DEVICES[0]), 0)
    second = accept(state, press(1, device=DEVICES[1]), 20)
    assert {room for room, _ in second.announcements} == {ROOMS[2], HALL}


def test_other_types_are_announced_everywhere(state: State) -> None:
    assert {room for room, _ in accept(state, press(pattern="triple"), 0).announcements} == {*ROOMS, HALL}


def test_announcement_is_repeated_after_ten_seconds(state: State) -> None:
    first = accept(state, press(1), 0)
    assert {announcement.generation for _, announcement in first.announcements} == {1}
    assert accept(state, press(2), 9).announcements == ()
    again = accept(state, press(3), 10)
    assert {(announcement.generation, announcement.alert_id) for _, announcement in again.announcements} == {
        (2, press_event(first).alert_id)
    }


def test_graver_announcement_preempts(state: State) -> None:
    """Each speaker makes one announcement at a time."""
    medical = accept(state, press(1, pattern="triple"), 0)
    graver = accept(state, press(1, device=DEVICES[1]), 1)
    lesser = accept(state, press(2, device=DEVICES[2], pattern="triple"), 2)
    assert len(medical.announcements) == 4 and {room for room, _ in graver.announcements} == {ROOMS[0], ROOMS[2], HALL}
    assert {room for room, _ in lesser.announcements} == set()
    assert graver.announcements[0][1].priority > medical.announcements[0][1].priority


def test_announcement_expires_after_ten_seconds(state: State) -> None:
    assert accept(state, press(), 0).announcements[0][1].expires_at == "2026-09-01T08:00:10.000Z"
