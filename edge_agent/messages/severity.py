"""Severity of alerts, which several messages carry."""

from enum import StrEnum


class Severity(StrEnum):
    """Severity of an alert."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
