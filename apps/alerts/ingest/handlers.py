"""Handlers for each kind of event. `apply` is dispatched by the type of the event."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import singledispatch
from typing import Final

from django.db.models import Q
from msgspec import UnsetType

from apps.accounts.rights.grants import person_principal
from apps.alerts import drills, services
from apps.alerts.audit_actions import AuditAction
from apps.alerts.ingest.batch import Batch, Quarantined
from apps.alerts.ingest.messages import (
    ActionEvent,
    AlertAcknowledged,
    AlertPressedAgain,
    AlertRaised,
    AlertResolved,
    BuildingAct,
    DeviceRecovered,
    DeviceTrouble,
    Event,
    GatewayStatus,
    PressFacts,
    PressRefused,
    SelftestDone,
)
from apps.alerts.ingest.raising import Press, end_drills, press_of, raise_alerts
from apps.alerts.lifecycle import IllegalTransition
from apps.alerts.models import Alert
from apps.alerts.services import Step
from apps.common import audit
from apps.common.access import PrincipalKind, allows
from apps.devices.services import clear_trouble, end_other_troubles

FOREIGN: Final = "foreign_alert"


@singledispatch
def apply(event: Event, batch: Batch) -> bool:
    """Apply an event; return False if it was applied before. Raises Quarantined."""
    raise Quarantined("unknown_kind", f"This cloud does not know events of {type(event).__name__}.")


@apply.register
def _(event: AlertRaised, batch: Batch) -> bool:
    return bool(raise_alerts(batch, [press_of(batch, event, 0, armed=armed_for(batch, [event]))]))


@apply.register
def _(event: AlertPressedAgain, batch: Batch) -> bool:
    """Join the press to its alert, or to the one that followed it. In doubt, raise a new alert.

    A press joins an alert only if it was certainly made while the alert was open, and the same people see both.
    """
    press = press_of(batch, event, 0, armed=armed_for(batch, [event]))
    alert = _joinable(batch, event, press)
    step = _step(batch, event, press.dated.pressed_at)
    if alert is None or not services.join_press(alert, step, _joining(batch, press)):
        return bool(raise_alerts(batch, [press]))
    if not alert.is_drill:
        end_drills(batch, [drills.RealPress(alert.alert_id, alert.site_id, press.dated.latest, silent=alert.is_silent)])
    return True


@apply.register
def _(event: AlertAcknowledged, batch: Batch) -> bool:
    alert = _own_alert(batch, event)
    step = _act(batch, event, event.by, alert)
    try:
        outcome = services.apply_acknowledge(alert, step)
    except IllegalTransition:
        services.add_step(alert, step, "alert.acknowledged_too_late")
    else:
        if outcome.changed:
            _record(batch, AuditAction.ALERT_ACKNOWLEDGE, alert, event.by)
    return True


@apply.register
def _(event: AlertResolved, batch: Batch) -> bool:
    """Resolve the alert. This covers earlier presses only: a later press at another gateway keeps the alert open."""
    alert = _own_alert(batch, event)
    if event.by.via == "real_press":
        return _end_drill(batch, event, alert)
    step = _act(batch, event, event.by, alert)
    if services.pressed_since(alert, batch.acted_after(event.at), gateway=batch.gateway_id):
        services.add_step(alert, step, "alert.resolve_outdated")
        _record(batch, AuditAction.ALERT_RESOLVE, alert, event.by, refused="pressed_since")
        return True
    try:
        outcome = services.apply_resolve(alert, step, event.reason)
    except IllegalTransition:
        services.add_step(alert, step, "alert.resolved_too_late")
        return True
    if outcome.changed:
        _record(batch, services.closing_action(outcome), alert, event.by)
    elif outcome.awaiting_second_person and step.person not in alert.approvals:
        services.add_step(alert, step, "alert.approval_not_counted")
        _record(batch, AuditAction.ALERT_APPROVE_RESOLVE, alert, event.by, refused="one_of_two_by_gateway")
    return True


@apply.register
def _(event: ActionEvent, batch: Batch) -> bool:
    alert = _own_alert(batch, event, or_=Q(building_id=None))
    services.add_step(
        alert,
        _step(batch, event),
        str(event.__struct_config__.tag),
        action=event.action,
        target=event.target,
        generation=event.generation,
    )
    return True


@apply.register
def _(event: DeviceTrouble, batch: Batch) -> bool:
    batch.trouble(event.device, event.trouble, event.detail, since=batch.acted_at(event.since))
    return True


@apply.register
def _(event: DeviceRecovered, batch: Batch) -> bool:
    clear_trouble(
        organization_id=batch.organization_id,
        gateway_id=batch.gateway_id,
        device=event.device,
        kind=event.trouble,
        at=batch.acted_at(event.at),
    )
    return True


@apply.register
def _(event: PressRefused, batch: Batch) -> bool:
    batch.trouble(event.device, "press_refused", f"{event.count} messages could not be accepted: {event.reason}.")
    return True


@apply.register
def _(event: GatewayStatus, batch: Batch) -> bool:
    """Close the gateway's troubles that it no longer lists: they have ended, although the event for that was lost."""
    if not isinstance(event.troubles, UnsetType):
        end_other_troubles(
            organization_id=batch.organization_id,
            gateway_id=batch.gateway_id,
            standing=[(one.device, one.trouble) for one in event.troubles],
            at=batch.acted_at(event.at),
        )
    return True


@apply.register
def _(event: SelftestDone, batch: Batch) -> bool:
    """Do nothing more: gateway_events keeps the event as it was received."""
    return True


def armed_for(batch: Batch, events: Iterable[PressFacts]) -> drills.Armed:
    """Return the periods for which the buttons of those presses that claim to be drills were armed."""
    claiming = {event.device for event in events if event.drill}
    if not claiming:
        return drills.Armed()
    return drills.armed_for(batch.organization_id, claiming, batch.buildings, now=batch.received_at)


def _end_drill(batch: Batch, event: AlertResolved, drill: Alert) -> bool:
    """End a drill because of a real press, without a second person. Raises Quarantined for a real alert."""
    if not drill.is_drill:
        raise Quarantined("not_a_drill", "A real press ends drills only.")
    step = _step(batch, event)
    try:
        ended = services.end_by_itself(drill, step, "drill")
    except IllegalTransition:
        services.add_step(drill, step, "alert.resolved_too_late")
    else:
        if ended:
            _record(batch, AuditAction.DRILL_END, drill, event.by)
    return True


def _joinable(batch: Batch, event: AlertPressedAgain, press: Press) -> Alert | None:
    """Return the alert that a press joins, its row locked. A gateway can only join alerts of its own buildings."""
    named = _named(batch, (event.alert_id, batch.own_name(event.alert_id)), _own(batch))
    if named is None or _can_join(named, press):
        return named
    row = press.row
    next_one = services.locked_successor(
        named, event.device, _own(batch), alert_type=row.type, silent=row.silent, drill=row.drill
    )
    return next_one if next_one is not None and _can_join(next_one, press) else None


def _can_join(alert: Alert, press: Press) -> bool:
    """Return whether the press concerns the same people as the alert, and certainly belongs to it.

    An open alert is still displayed everywhere, as it is at the gateway. A press joins a closed alert only if it was
    certainly made while the alert was open. An alert that was closed at a gateway is never joined: only that gateway's
    clock says when it was closed, and the gateway has already sent all earlier presses.
    """
    row, dated = press.row, press.dated
    if (alert.alert_type, alert.is_silent, alert.is_drill) != (row.type, row.silent, row.drill):
        return False
    if alert.resolved_at is None:
        return True
    opened_at = alert.triggered_at
    if alert.metadata and "earliest_at" in alert.metadata:
        opened_at = datetime.fromisoformat(alert.metadata["earliest_at"])
    return opened_at <= dated.earliest and dated.is_before(alert.resolved_at) and services.was_closed_in_cloud(alert)


def _joining(batch: Batch, press: Press) -> services.JoiningPress:
    return services.JoiningPress(
        press_id=press.row.alert_id,
        own_name=batch.own_name(press.row.alert_id),
        device=press.row.device,
        buildings=batch.buildings,
        received_at=batch.received_at,
        latest=press.dated.latest,
    )


def _own(batch: Batch) -> Q:
    """Return a filter for alerts of the gateway's buildings, and those that it raised without a known place."""
    return Q(building_id__in=batch.buildings) | Q(building_id=None, gateway_id=batch.gateway_id)


def _own_alert(batch: Batch, event: ActionEvent | AlertAcknowledged | AlertResolved, *, or_: Q | None = None) -> Alert:
    """Return the alert that an event is about. Raises Quarantined if it does not exist or is another gateway's."""
    names = (batch.own_name(event.alert_id), event.alert_id)
    alert = _named(batch, names, _own(batch) | or_ if or_ else _own(batch))
    if alert is not None:
        return alert
    if not any(services.has_name(batch.organization_id, name) for name in names):
        raise Quarantined("unknown_alert", "No alert of this organization has this alert_id.")
    raise Quarantined(FOREIGN, "This alert is not one of this gateway's buildings.")


def _named(batch: Batch, names: Iterable[str], among: Q) -> Alert | None:
    locked = (services.locked_alert(batch.organization_id, name, among) for name in names)
    return next((alert for alert in locked if alert is not None), None)


def record_foreign(batch: Batch, event: Event) -> None:
    """Record a refused event about an alert of buildings that the gateway is not responsible for."""
    action = AuditAction(str(event.__struct_config__.tag))
    batch.trouble(None, FOREIGN, "This gateway acted on an alert of a building that it does not speak for.")
    audit.record(
        actor=batch.gateway,
        action=action,
        target_kind="gateway",
        target_id=batch.gateway_id,
        organization_id=batch.organization_id,
        outcome=audit.REFUSED,
    )


def _step(batch: Batch, event: Event, at: datetime | None = None) -> Step:
    """Return the step for something that the gateway itself did or observed."""
    return Step(
        event_id=event.event_id,
        at=at or batch.acted_at(event.at),
        actor_kind=PrincipalKind.GATEWAY,
        actor_id=batch.gateway_id,
        person=None,
        via="gateway",
    )


def _act(batch: Batch, event: Event, by: BuildingAct, alert: Alert) -> Step:
    """Return the step for an act in the building. A person who may not act on this alert is not recorded by name."""
    principal = person_principal(by.person) if by.person else None
    may = principal is not None and allows(principal, batch.organization_id, "alerts", "update", alert.building_id)
    return replace(_step(batch, event), person=by.person if may else None, via=by.via)


def _record(batch: Batch, action: AuditAction, alert: Alert, by: BuildingAct, *, refused: str | None = None) -> None:
    """Write an audit entry for an act that a gateway reported, with the person that the gateway named."""
    detail = {"via": by.via, "person": str(by.person) if by.person else None, "reason": refused}
    services.record(
        batch.gateway,
        alert,
        action,
        outcome=audit.REFUSED if refused else audit.DONE,
        **{name: value for name, value in detail.items() if value is not None},
    )
