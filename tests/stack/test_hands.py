"""The rules of the demo school's buttons."""

from contracts import alert_types
from devstack.simulator.hands import HANDS
from devstack.simulator.simulated import SILENT_KEY


def test_each_alert_type_has_a_hand_of_its_own() -> None:
    assert {name for name, silent in HANDS if not silent} == {one.type for one in alert_types()}
    assert len(set(HANDS.values())) == len(HANDS)


def test_silent_hands_are_on_the_key_that_shows_nothing() -> None:
    assert {silent for (_, silent), hand in HANDS.items() if hand.key == SILENT_KEY} == {True}
    assert {hand.key for (_, silent), hand in HANDS.items() if silent} == {SILENT_KEY}
