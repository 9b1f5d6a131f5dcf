"""The rules of the demo school's buttons."""

from contracts import alert_types
from devstack.hands import HANDS

KEYS = 8
"""As many as the contract lets a button have."""


def test_each_alert_type_has_a_hand_of_its_own() -> None:
    assert {name for name, silent in HANDS if not silent} == {one.type for one in alert_types()}
    assert len(set(HANDS.values())) == len(HANDS)
    assert all(hand.key is None or 1 < hand.key <= KEYS for hand in HANDS.values())
