"""Retention of alerts and drills."""

from typing import Final

from apps.alerts.drills import LOOKED_BACK
from apps.alerts.models import DrillArm
from apps.common.retention import Months, Rows, delete_before

HOT_MONTHS: Final = 24
"""Alerts stay queryable for two years."""
REQUIREMENT: Final = "requirement: Retention: 90 days hot, 2 years warm, archive"

RULES: Final = (
    Months(subject="alert_history", kept=HOT_MONTHS, source=REQUIREMENT),
    Months(subject="alert_events", kept=HOT_MONTHS, source=REQUIREMENT),
    Months(subject="alert_notes", kept=HOT_MONTHS, source=REQUIREMENT),
    Rows(
        subject="drill_arms",
        kept=LOOKED_BACK,
        since="it expired",
        source="ours: no later report of a press can use it; the audit trail stays",
        forget=delete_before(DrillArm, "expires_at"),
    ),
)
