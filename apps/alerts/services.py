"""All writes to an alert after it was raised: acts of people and of the building, and presses that join it.

Each locks the alert's row, asks `lifecycle`, writes the change and a step of the timeline, and announces it.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.alerts import lifecycle
from apps.alerts.audit_actions import AuditAction
from apps.alerts.lifecycle import Act, Outcome
from apps.alerts.models import Alert, AlertEvent, AlertKey, AlertStatus
from apps.alerts.selectors import AlertNotFound, id_window
from apps.alerts.visibility import visibility, within
from apps.common import audit, feed
from apps.common.access import Principal, PrincipalKind, require
from apps.common.db.ids import new_id
from apps.common.times import rfc3339

_FEED_SQL: Final = "SELECT * FROM alert_feed_rows(%s, %s::uuid[], %s::timestamptz[])"
_JOIN_SQL: Final = """
    WITH joined AS (
        INSERT INTO alert_keys (organization_id, alert_id, id, triggered_at, gateway_id, received_at)
        SELECT %(organization)s, CASE WHEN elsewhere THEN %(own_name)s ELSE %(press)s END, %(alert)s, %(triggered_at)s,
               %(actor)s, %(received_at)s
        FROM (
            -- Whether the button is in a building that this gateway is not responsible for.
            SELECT EXISTS (
                SELECT 1 FROM devices d
                JOIN rooms r ON r.organization_id = d.organization_id AND r.id = d.room_id
                JOIN floors f ON f.organization_id = d.organization_id AND f.id = r.floor_id
                WHERE d.organization_id = %(organization)s AND d.device_id = %(device)s
                    AND f.building_id <> ALL (%(buildings)s)
            ) AS elsewhere
        ) device
        ON CONFLICT DO NOTHING RETURNING id
    ), history AS (
        UPDATE alert_history
        SET presses = presses + 1, last_pressed_at = greatest(last_pressed_at, %(pressed_at)s)
        WHERE organization_id = %(organization)s AND id = %(alert)s AND triggered_at = %(triggered_at)s
          AND EXISTS (SELECT 1 FROM joined)
    ), timeline AS (
        INSERT INTO alert_events (id, organization_id, alert, triggered_at, kind, at, actor_kind, actor_id, detail)
        SELECT %(event)s, %(organization)s, %(alert)s, %(triggered_at)s, 'alert.pressed_again', %(pressed_at)s,
               %(actor_kind)s, %(actor)s, %(detail)s::jsonb
        FROM joined
        ON CONFLICT DO NOTHING
    )
    SELECT id FROM joined
"""
_PRESSED_SINCE_SQL: Final = """
    SELECT EXISTS (
        SELECT 1 FROM alert_events
        WHERE organization_id = %s AND alert = %s AND triggered_at = %s AND kind = 'alert.pressed_again'
          AND actor_id IS DISTINCT FROM %s AND coalesce((detail ->> 'latest')::timestamptz, at) >= %s
    )
"""


@dataclass(frozen=True, slots=True)
class Step:
    """The time and the actor of one step in an alert's timeline. `person` is None for a key switch."""

    event_id: UUID
    at: datetime
    actor_kind: PrincipalKind
    actor_id: UUID | None
    person: UUID | None
    via: str


def acknowledge(*, principal: Principal, alert_uuid: UUID, now: datetime) -> None:
    """Acknowledge an alert for a person; a repeat changes nothing. Raises NotFound, Forbidden or IllegalTransition."""
    alert = _alert_for(principal, alert_uuid)
    if apply_acknowledge(alert, _by_person(principal, now)).changed:
        record(principal, alert, AuditAction.ALERT_ACKNOWLEDGE)


def resolve(*, principal: Principal, alert_uuid: UUID, reason: str | None, now: datetime) -> Outcome:
    """Resolve an alert for a person, or record the first of two approvals. Raises like `acknowledge`.

    A reason may be given later, by resolving again, so that it never delays closing. A reason cannot be replaced.
    """
    alert = _alert_for(principal, alert_uuid)
    step = _by_person(principal, now)
    outcome = apply_resolve(alert, step, reason)
    if outcome.changed:
        record(principal, alert, closing_action(outcome))
    elif reason and alert.status == AlertStatus.RESOLVED and alert.close_reason is None:
        _give_reason(alert, step, reason)
        record(principal, alert, AuditAction.ALERT_GIVE_REASON)
    return outcome


def apply_acknowledge(alert: Alert, step: Step) -> Outcome:
    """Acknowledge a locked alert. Raises IllegalTransition."""
    outcome = lifecycle.follow(AlertStatus(alert.status), Act.ACKNOWLEDGE)
    if outcome.changed:
        _change(alert, status=outcome.status, acknowledged_at=step.at, acknowledged_by=step.person)
        add_step(alert, step, "alert.acknowledged")
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    return outcome


def apply_resolve(alert: Alert, step: Step, reason: str | None) -> Outcome:
    """Resolve a locked alert, or record an approval. Raises IllegalTransition."""
    by_gateway = step.actor_kind is PrincipalKind.GATEWAY
    outcome = lifecycle.approve(
        AlertStatus(alert.status),
        approvals=alert.approvals,
        required=alert.approvals_required,
        person=step.person,
        vouched=alert.gateway_approval,
        by_gateway=by_gateway,
    )
    if not outcome.changed:
        return outcome
    approvals = alert.approvals if step.person in (None, *alert.approvals) else [*alert.approvals, step.person]
    vouched = step.person if by_gateway else alert.gateway_approval
    if not by_gateway and vouched == step.person:
        vouched = None
    close_reason = reason or alert.close_reason
    if outcome.awaiting_second_person:
        _change(alert, approvals=approvals, gateway_approval=vouched, close_reason=close_reason)
        add_step(alert, step, "alert.resolve_approved", reason=reason)
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    else:
        _change(alert, approvals=approvals, gateway_approval=vouched)
        _close(alert, step, close_reason)
    return outcome


def end_by_itself(alert: Alert, step: Step, reason: str) -> bool:
    """Close a locked drill whose time is over; return False if it was closed before. Never for a real alert."""
    outcome = lifecycle.follow(AlertStatus(alert.status), Act.RESOLVE)
    if outcome.changed:
        _close(alert, step, reason)
    return outcome.changed


@dataclass(frozen=True, slots=True)
class JoiningPress:
    """A later press of an alert, and its gateway. `own_name` is for a button in another gateway's building."""

    press_id: str
    own_name: str
    device: str
    buildings: Collection[UUID]
    received_at: datetime
    latest: datetime


def join_press(alert: Alert, step: Step, press: JoiningPress) -> bool:
    """Join a later press to a locked alert; return False if its name exists, usually since it joined before.

    Uses one statement: a whole school that presses at once, or a draining backlog, brings hundreds of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _JOIN_SQL,
            {
                "organization": alert.organization_id,
                "press": press.press_id,
                "own_name": press.own_name,
                "device": press.device,
                "buildings": list(press.buildings),
                "received_at": press.received_at,
                "alert": alert.id,
                "triggered_at": alert.triggered_at,
                "pressed_at": step.at,
                "event": step.event_id,
                "actor_kind": step.actor_kind,
                "actor": step.actor_id,
                "detail": json.dumps({"via": step.via, "press": press.press_id, "latest": rfc3339(press.latest)}),
            },
        )
        joined = cursor.fetchone() is not None
    if joined:
        announce_alerts("alert.updated", [alert.id], [alert.triggered_at])
    return joined


def pressed_since(alert: Alert, after: datetime, *, gateway: UUID) -> bool:
    """Return whether a press that another gateway reported may have joined the alert after this moment."""
    with connection.cursor() as cursor:
        cursor.execute(_PRESSED_SINCE_SQL, [alert.organization_id, alert.id, alert.triggered_at, gateway, after])
        (exists,) = cursor.fetchone() or (False,)
    return bool(exists)


def add_step(alert: Alert, step: Step, kind: str, **detail: str | int | None) -> None:
    """Add a step to the alert's timeline."""
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
    """Announce alerts in the feed, as they will be at commit. `times` are their triggered_at.

    Repeated announcements of an alert in one transaction become one message: the document would be the same.
    """
    queued_ids, queued_times = feed.rows_to_extend(_FEED_SQL, kind, 2)
    new = [(id_, at) for id_, at in zip(ids, times, strict=True) if id_ not in queued_ids]
    queued_ids.extend(id_ for id_, _ in new)
    queued_times.extend(at for _, at in new)


def was_closed_in_cloud(alert: Alert) -> bool:
    """Return whether a person ended the alert here, so that its time comes from this cloud's clock."""
    return AlertEvent.objects.filter(
        organization_id=alert.organization_id,
        alert=alert.id,
        triggered_at=alert.triggered_at,
        kind="alert.resolved",
        actor_kind__in=[PrincipalKind.PERSON, PrincipalKind.SERVICE],
    ).exists()


def has_name(organization: UUID, alert_id: str) -> bool:
    """Return whether any press has this name."""
    return AlertKey.objects.filter(organization_id=organization, alert_id=alert_id).exists()


def locked_alert(organization: UUID, alert_id: str, among: Q) -> Alert | None:
    """Return the alert in `among` that the press of this name raised or joined, its row locked until commit."""
    key = AlertKey.objects.filter(organization_id=organization, alert_id=alert_id).first()
    if key is None:
        return None
    return (
        Alert.objects.select_for_update()
        .filter(among, organization_id=organization, id=key.id, triggered_at=key.triggered_at)
        .first()
    )


def locked_successor(
    named: Alert, device: str, among: Q, *, alert_type: str, silent: bool, drill: bool
) -> Alert | None:
    """Return the newest open alert in `among` that a press meant for `named` may belong to now.

    It is of the same kind, and of the same device or room.
    """
    place = Q(hardware_id__in={named.hardware_id, device})
    if named.room_id is not None:
        place |= Q(room_id=named.room_id)
    return (
        Alert.objects.select_for_update()
        .filter(
            among,
            place,
            organization_id=named.organization_id,
            alert_type=alert_type,
            is_drill=drill,
            is_silent=silent,
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
    if alert.is_silent and not within(visibility(grant).silent, alert.building_id):
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
    add_step(alert, step, "alert.resolved", reason=reason)
    announce_alerts("alert.updated", [alert.id], [alert.triggered_at])


def _give_reason(alert: Alert, step: Step, reason: str) -> None:
    _change(alert, close_reason=reason)
    add_step(alert, step, "alert.reason_given", reason=reason)
    announce_alerts("alert.updated", [alert.id], [alert.triggered_at])


def _change(alert: Alert, **values: object) -> None:
    """Update by (id, triggered_at): an id alone would scan every partition."""
    Alert.objects.filter(organization_id=alert.organization_id, id=alert.id, triggered_at=alert.triggered_at).update(
        **values
    )
    for name, value in values.items():
        setattr(alert, name, value)


def closing_action(outcome: Outcome) -> AuditAction:
    """Return the audit action of a request to end an alert: resolved, or approved as the first of two."""
    return AuditAction.ALERT_APPROVE_RESOLVE if outcome.awaiting_second_person else AuditAction.ALERT_RESOLVE


def record(
    actor: Principal, alert: Alert, action: AuditAction, *, outcome: str = audit.DONE, **detail: audit.Value
) -> None:
    """Write an audit entry about an alert."""
    audit.record(
        actor=actor,
        action=action,
        target_kind="alert",
        target_id=alert.id,
        organization_id=alert.organization_id,
        outcome=outcome,
        **detail,
    )
