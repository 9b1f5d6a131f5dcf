"""The words that the messages share, and what the code knows of them without any configuration."""

from enum import StrEnum


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


class Severity(StrEnum):
    """How much it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


GRAVEST = AlertType.LOCKDOWN
GRAVITY: dict[AlertType, int] = {kind: len(AlertType) - place for place, kind in enumerate(AlertType)}
