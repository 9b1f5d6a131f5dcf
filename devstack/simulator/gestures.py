"""Which key and pattern of the demo school's buttons give which alert type; its gateway gets the same rules."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from contracts import alert_types, patterns
from devstack.errors import Refusal
from devstack.simulator.button import Gesture
from devstack.simulator.simulated import SILENT_KEY

PATTERNS: Final = ("short", "long", "triple")
KEYS: Final = [key for key in range(2, 9) if key != SILENT_KEY]
"""Those whose meaning a rule decides; a button has at most eight."""


def _gestures() -> Iterator[tuple[tuple[str, bool], Gesture]]:
    """The first key needs no rule, the silent one gives the same types, and the others give all other types."""
    defaults = patterns().patterns
    for pattern, alert_type in defaults.items():
        yield (alert_type, False), Gesture(pattern)
        yield (alert_type, True), Gesture(pattern, SILENT_KEY)
    rest = (one.type for one in alert_types() if one.type not in defaults.values())
    for alert_type, (key, pattern) in zip(rest, product(KEYS, PATTERNS), strict=False):
        yield (alert_type, False), Gesture(pattern, key)


GESTURES: Final = dict(_gestures())
"""By type, and whether it is silent."""


def rules() -> list[dict[str, object]]:
    """The rules that seed_demo gives the gateway; what a pattern means without any rule needs none."""
    return [
        {"key": gesture.key, "pattern": gesture.pattern, "alert_type": alert_type, "is_silent": silent}
        for (alert_type, silent), gesture in GESTURES.items()
        if gesture.key is not None
    ]


def gesture_for(alert_type: str, *, silent: bool) -> Gesture:
    """The key and pattern that give this type."""
    try:
        return GESTURES[alert_type, silent]
    except KeyError:
        known = ", ".join(sorted(name for name, quiet in GESTURES if quiet == silent))
        raise Refusal(
            f"No button of the demo school gives {'a silent ' if silent else ''}{alert_type!r}; there is: {known}."
        ) from None
