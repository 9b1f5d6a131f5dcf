"""What the gateway knows of alert types without any configuration.

Written by `./dev generate` from contracts/alert_types.json and patterns.json.
"""

from enum import StrEnum

from edge_agent.messages.severity import Severity


class AlertType(StrEnum):
    """In order of gravity, the gravest first."""

    LOCKDOWN = "lockdown"
    FIRE = "fire"
    EVACUATE = "evacuate"
    HAZMAT = "hazmat"
    SHELTER = "shelter"
    WEATHER = "weather"
    MEDICAL = "medical"
    SECURE = "secure"
    HOLD = "hold"
    ASSIST = "assist"
    TEST = "test"


GRAVEST = AlertType.LOCKDOWN

SEVERITY = {
    AlertType.LOCKDOWN: Severity.CRITICAL,
    AlertType.FIRE: Severity.CRITICAL,
    AlertType.EVACUATE: Severity.CRITICAL,
    AlertType.HAZMAT: Severity.HIGH,
    AlertType.SHELTER: Severity.HIGH,
    AlertType.WEATHER: Severity.HIGH,
    AlertType.MEDICAL: Severity.HIGH,
    AlertType.SECURE: Severity.MEDIUM,
    AlertType.HOLD: Severity.MEDIUM,
    AlertType.ASSIST: Severity.MEDIUM,
    AlertType.TEST: Severity.LOW,
}
"""A type's own severity."""

GRAVITY = {
    AlertType.LOCKDOWN: 11,
    AlertType.FIRE: 10,
    AlertType.EVACUATE: 9,
    AlertType.HAZMAT: 8,
    AlertType.SHELTER: 7,
    AlertType.WEATHER: 6,
    AlertType.MEDICAL: 5,
    AlertType.SECURE: 4,
    AlertType.HOLD: 3,
    AlertType.ASSIST: 2,
    AlertType.TEST: 1,
}
"""On PA the greater pre-empts."""

HIDES = frozenset(
    {
        AlertType.LOCKDOWN,
        AlertType.ASSIST,
    }
)
"""Types that never sound in the room they came from."""

DEFAULT_PATTERNS = {"long": AlertType.LOCKDOWN, "triple": AlertType.MEDICAL, "short": AlertType.ASSIST}
"""What a pattern means where no rule says otherwise; any other is the gravest."""
