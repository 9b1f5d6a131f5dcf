"""Every write to an alert after it was raised: acts of people and of the building, and presses that join it.

Each locks the alert's row, asks `lifecycle`, writes the change and its step in the story, and announces it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.alerts import lifecycle
from apps.alerts.lifecycle import Act, Outcome
from apps.alerts.models import Alert, AlertEvent, AlertKey, AlertStatus
from apps.alerts.selectors import AlertNotFound, id_window
from apps.alerts.sight import sight, within
from apps.common import audit, feed
from apps.common.access import Principal, PrincipalKind, require
from apps.common.ids import new_id
from apps.common.scope import current_scope

_FEED_SQL: Final = "SELECT * FROM alert_feed_rows(%s, %s::uuid[], %s::timestamptz[])"
_JOIN_SQL: Final = """
    WITH joined AS (
        INSERT INTO alert_keys (organization_id, alert_id, id, triggered_at)
        VALUES (%(organization)s, %(press)s, %(alert)s, %(triggered_at)s)
        ON CONFLICT DO NOTHING RETURNING id
    ), history AS (
        UPDATE alert_history
        SET presses = presses + 1, last_pressed_at = greatest(last_pressed_at, %(pressed_at)s)
        WHERE organization_id = %(organization)s AND id = %(alert)s AND triggered_at = %(triggered_at)s
          AND EXISTS (SELECT 1 FROM joined)
    ), story AS (
        INSERT INTO alert_events (id, organization_id, alert, triggered_at, kind, at, actor_kind, actor_id, detail)
        SELECT %(event)s, %(organization)s, %(alert)s, %(triggered_at)s, 'alert.pressed_again', %(pressed_at)s,
               %(actor_kind)s, %(actor)s, %(detail)s::jsonb
        FROM joined
    )
    SELECT id FROM joined
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One act in an alert's story: when, and by whom. `person` is None where a key switch acted."""

    event_id: UUID
    at: datetime
    actor_kind: PrincipalKind
    actor_id: UUID | None
    person: UUID | None
    via: str


def acknowledge(*, principal: Principal, alert_uuid: UUID, now: datetime) -> None:
    """A person takes the alert; a repeat changes nothing. Raises NotFound, Forbidden or IllegalTransition."""
    alert = _alert_for(principal, alert_uuid)
    if apply_acknowledge(alert, _by_person(principal, now)).changed:
        _audit(principal, alert, "alert.acknowledge")


def resolve(*, principal: Principal, alert_uuid: UUID, reason: str | None, now: datetime) -> Outcome:
    """A person ends the alert, or is the first of the two that it needs. Raises like `acknowledge`.

    A reason may be given later, by resolving again: closing is never made slower. One that was given stays.
    """
    alert = _alert_for(principal, alert_uuid)
    step = _by_person(principal, now)
    outcome = apply_resolve(alert, step, reason)
    if outcome.changed:
        _audit(principal, alert, "alert.approve_resolve" if outcome.awaiting_second_person else "alert.resolve")
    elif reason and alert.status == AlertStatus.RESOLVED and alert.close_reason is None:
        _give_reason(alert, step, reason)
        _audit(principal, alert, "alert.give_reason")
    return outcome


def apply_acknowledge(alert: Alert, step: Step) -> Outcome:
    """Acknowledge a locked alert. Raises IllegalTransition."""
    outcome = lifecycle.follow(AlertStatus(alert.status), Act.ACKNOWLEDGE)
    if outcome.changed:
        _change(alert, status=outcome.status, acknowledged_at=step.at, acknowledged_by=step.person)
        tell(alert, step, "alert.acknowledged")
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    return outcome


def apply_resolve(alert: Alert, step: Step, reason: str | None) -> Outcome:
    """Resolve a locked alert, or approve that it ends. Raises IllegalTransition."""
    outcome = lifecycle.approve(
        AlertStatus(alert.status), approvals=alert.approvals, required=alert.approvals_required, person=step.person
    )
    if not outcome.changed:
        return outcome
    approvals = alert.approvals if step.person in (None, *alert.approvals) else [*alert.approvals, step.person]
    close_reason = reason or alert.close_reason
    if outcome.awaiting_second_person:
        _change(alert, approvals=approvals, close_reason=close_reason)
        tell(alert, step, "alert.resolve_approved", reason=reason)
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    else:
        _change(alert, approvals=approvals)
        _close(alert, step, close_reason)
    return outcome


def end_by_itself(alert: Alert, step: Step, reason: str) -> None:
    """Close a locked, open alert whose time is over: a drill, and nothing else."""
    lifecycle.follow(AlertStatus(alert.status), Act.RESOLVE)
    _close(alert, step, reason)


def join_press(alert: Alert, step: Step, press_id: str) -> bool:
    """A later press joins a locked alert; False when this very press had joined before.

    One statement: a school that presses at once, or a backlog that drains, brings these by the hundred.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _JOIN_SQL,
            {
                "organization": alert.organization_id,
                "press": press_id,
                "alert": alert.id,
                "triggered_at": alert.triggered_at,
                "pressed_at": step.at,
                "event": step.event_id,
                "actor_kind": step.actor_kind,
                "actor": step.actor_id,
                "detail": json.dumps({"via": step.via, "press": press_id}),
            },
        )
        joined = cursor.fetchone() is not None
    if joined:
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    return joined


def tell(alert: Alert, step: Step, kind: str, **detail: str | int | None) -> None:
    """Add a step to the alert's story."""
    AlertEvent.objects.create(
        id=step.event_id,
        organization_id=alert.organization_id,
        alert=alert.id,
        triggered_at=alert.triggered_at,
        kind=kind,
        at=step.at,
        actor_kind=step.actor_kind,
        actor_id=step.actor_id,
        detail={"via": step.via, **{key: value for key, value in detail.items() if value is not None}},
    )


def announce_alerts(kind: str, ids: Sequence[UUID], times: Sequence[datetime]) -> None:
    """Tell the feed of alerts, as they will be at commit. `times` are their triggered_at.

    What is said again of the same alert in the same transaction is one message: it would be the same document.
    """
    queue = current_scope().feed
    if not (queue and queue[-1].sql == _FEED_SQL and queue[-1].params[0] == kind):
        feed.announce_rows(_FEED_SQL, [kind, [], []])
    _, known_ids, known_times = queue[-1].params
    new = [(id_, at) for id_, at in zip(ids, times, strict=True) if id_ not in known_ids]
    known_ids.extend(id_ for id_, _ in new)
    known_times.extend(at for _, at in new)


def locked_alert(organization: UUID, alert_id: str) -> Alert | None:
    """The alert that a press of this name made or joined, its row locked until commit."""
    key = AlertKey.objects.filter(organization_id=organization, alert_id=alert_id).first()
    if key is None:
        return None
    return (
        Alert.objects.select_for_update()
        .filter(organization_id=organization, id=key.id, triggered_at=key.triggered_at)
        .first()
    )


def locked_successor(closed: Alert, device: str) -> Alert | None:
    """The open alert that a press meant for `closed` belongs to now: same type, same device or room."""
    place = Q(hardware_id__in={closed.hardware_id, device})
    if closed.room_id is not None:
        place |= Q(room_id=closed.room_id)
    return (
        Alert.objects.select_for_update()
        .filter(
            place,
            organization_id=closed.organization_id,
            alert_type=closed.alert_type,
            is_drill=closed.is_drill,
            status__in=lifecycle.OPEN,
        )
        .order_by("-triggered_at")
        .first()
    )


def _alert_for(principal: Principal, alert_uuid: UUID) -> Alert:
    start, end = id_window(alert_uuid)
    alert = (
        Alert.objects.select_for_update()
        .filter(organization_id__in=principal.grants, id=alert_uuid, triggered_at__gte=start, triggered_at__lt=end)
        .first()
    )
    if alert is None:
        raise AlertNotFound()
    grant = principal.grants[alert.organization_id]
    if grant.places and not grant.at(alert.building_id):
        raise AlertNotFound()
    require(principal, alert.organization_id, "alerts", "update", alert.building_id)
    if alert.is_silent and not within(sight(grant).silent, alert.building_id):
        raise AlertNotFound()
    return alert


def _by_person(principal: Principal, now: datetime) -> Step:
    return Step(new_id(), now, principal.kind, principal.id, principal.id, "cloud")


def _close(alert: Alert, step: Step, reason: str | None) -> None:
    _change(
        alert,
        status=AlertStatus.RESOLVED,
        resolved_at=step.at,
        resolved_by=step.person,
        close_reason=reason,
    )
    tell(alert, step, "alert.resolved", reason=reason)
    announce_alerts("alert.updated", [alert.id], [alert.triggered_at])


def _give_reason(alert: Alert, step: Step, reason: str) -> None:
    _change(alert, close_reason=reason)
    tell(alert, step, "alert.reason_given", reason=reason)
    announce_alerts("alert.updated", [alert.id], [alert.triggered_at])


def _change(alert: Alert, **values: object) -> None:
    """Update by (id, triggered_at): an id alone would visit every partition."""
    Alert.objects.filter(organization_id=alert.organization_id, id=alert.id, triggered_at=alert.triggered_at).update(
        **values
    )
    for name, value in values.items():
        setattr(alert, name, value)


def _audit(principal: Principal, alert: Alert, action: str) -> None:
    audit.record(
        actor=principal,
        action=action,
        target_kind="alert",
        target_id=alert.id,
        organization_id=alert.organization_id,
    )
