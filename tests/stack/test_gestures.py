"""The rules of the demo school's buttons."""

from contracts import alert_types
from devstack.simulator.gestures import GESTURES
from devstack.simulator.simulated import SILENT_KEY


def test_each_alert_type_has_its_own_gesture() -> None:
    assert {name for name, silent in GESTURES if not silent} == {one.type for one in alert_types()}
    assert len(set(GESTURES.values())) == len(GESTURES)


def test_silent_gestures_use_the_key_without_feedback() -> None:
    assert {silent for (_, silent), gesture in GESTURES.items() if gesture.key == SILENT_KEY} == {True}
    assert {gesture.key for (_, silent), gesture in GESTURES.items() if silent} == {SILENT_KEY}
