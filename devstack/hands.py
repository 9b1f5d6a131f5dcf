"""Which key and pattern of the demo school's buttons give which alert type; its gateway gets the same rules."""

from collections.abc import Iterator
from typing import Final

from contracts import alert_types, patterns
from devstack.button import Hand
from devstack.errors import Refusal

PATTERNS: Final = ("short", "long", "triple")


def _hands() -> Iterator[tuple[tuple[str, bool], Hand]]:
    """The first key needs no rule, the last gives the same types silently, and those between give all others."""
    defaults = patterns().patterns
    rest = [one.type for one in alert_types() if one.type not in defaults.values()]
    last_key = 2 + -(-len(rest) // len(PATTERNS))
    for pattern, alert_type in defaults.items():
        yield (alert_type, False), Hand(pattern)
        yield (alert_type, True), Hand(pattern, last_key)
    for number, alert_type in enumerate(rest):
        yield (alert_type, False), Hand(PATTERNS[number % len(PATTERNS)], 2 + number // len(PATTERNS))


HANDS: Final = dict(_hands())
"""By type, and whether it is silent."""


def rules() -> list[dict[str, object]]:
    """The rules that seed_demo gives the gateway; what a pattern means without any rule needs none."""
    return [
        {"key": hand.key, "pattern": hand.pattern, "alert_type": alert_type, "is_silent": silent}
        for (alert_type, silent), hand in HANDS.items()
        if hand.key is not None
    ]


def hand_for(alert_type: str, *, silent: bool) -> Hand:
    """The key and pattern that give this type."""
    try:
        return HANDS[alert_type, silent]
    except KeyError:
        known = ", ".join(sorted(name for name, quiet in HANDS if quiet == silent))
        raise Refusal(
            f"No button of the demo school gives {'a silent ' if silent else ''}{alert_type!r}; there is: {known}."
        ) from None
