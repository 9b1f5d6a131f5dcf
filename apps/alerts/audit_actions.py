"""Audit actions for alerts and drills."""

from apps.common import audit


class AuditAction(audit.Action):
    """Actions on alerts and drills; values never change."""

    ALERT_RAISE = "alert.raise"
    ALERT_ACKNOWLEDGE = "alert.acknowledge"
    ALERT_RESOLVE = "alert.resolve"
    ALERT_APPROVE_RESOLVE = "alert.approve_resolve"
    ALERT_GIVE_REASON = "alert.give_reason"
    DRILL_ARM = "drill.arm"
    DRILL_END = "drill.end"
    # A gateway's event about an alert of another gateway's building: refused, named like the event.
    FOREIGN_ALERT_ACKNOWLEDGED = "alert.acknowledged"
    FOREIGN_ALERT_RESOLVED = "alert.resolved"
    FOREIGN_ACTION_STARTED = "action.started"
    FOREIGN_ACTION_DONE = "action.done"
    FOREIGN_ACTION_FAILED = "action.failed"
    FOREIGN_ACTION_STOPPED = "action.stopped"
