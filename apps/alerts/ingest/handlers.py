"""What each kind of event does. `apply` is dispatched by the type of the event."""

from dataclasses import replace
from datetime import datetime
from functools import singledispatch

from apps.accounts.grants import person_principal
from apps.alerts import services
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
    PressRefused,
    SelftestDone,
)
from apps.alerts.ingest.raising import raise_alerts, raise_row
from apps.alerts.lifecycle import IllegalTransition
from apps.alerts.models import Alert
from apps.alerts.services import Step
from apps.common.access import PrincipalKind, allows
from apps.devices.services import clear_trouble


@singledispatch
def apply(event: Event, batch: Batch) -> bool:
    """What an event does; False when it had been done before. Raises Quarantined."""
    raise Quarantined("unknown_kind", f"This cloud does not know events of {type(event).__name__}.")


@apply.register
def _(event: AlertRaised, batch: Batch) -> bool:
    return bool(raise_alerts(batch, [raise_row(batch, event, event.alert_id)]))


@apply.register
def _(event: AlertPressedAgain, batch: Batch) -> bool:
    """Joins its alert; an alert that a person closed before this press is joined no more: the press is a new one.

    In doubt, with a gateway's clock that is slow, it is a new one.
    """
    row = raise_row(batch, event, event.press_id)
    alert = services.locked_alert(batch.organization_id, event.alert_id)
    if alert is not None and alert.resolved_at is not None and row.pressed_at + batch.slow > alert.resolved_at:
        alert = services.locked_successor(alert, event.device)
    if alert is None:
        return bool(raise_alerts(batch, [row]))
    return services.join_press(alert, _step(batch, event, row.pressed_at), event.press_id)


@apply.register
def _(event: AlertAcknowledged, batch: Batch) -> bool:
    alert = _required_alert(batch, event.alert_id)
    step = _act(batch, event, event.by, alert)
    try:
        services.apply_acknowledge(alert, step)
    except IllegalTransition:
        services.tell(alert, step, "alert.acknowledged_too_late")
    return True


@apply.register
def _(event: AlertResolved, batch: Batch) -> bool:
    alert = _required_alert(batch, event.alert_id)
    if event.by.via == "real_press":
        return _end_drill(batch, event, alert)
    step = _act(batch, event, event.by, alert)
    try:
        services.apply_resolve(alert, step, event.reason)
    except IllegalTransition:
        services.tell(alert, step, "alert.resolved_too_late")
    return True


@apply.register
def _(event: ActionEvent, batch: Batch) -> bool:
    alert = _required_alert(batch, event.alert_id)
    services.tell(
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
    batch.trouble(event.device, "press_refused", f"{event.count} messages could not be taken: {event.reason}.")
    return True


@apply.register(SelftestDone)
@apply.register(GatewayStatus)
def _(event: Event, batch: Batch) -> bool:
    """Kept as it came, in gateway_events."""
    return True


def _end_drill(batch: Batch, event: AlertResolved, drill: Alert) -> bool:
    """A real press ends a drill without a second person; it ends nothing that is real."""
    if not drill.is_drill:
        raise Quarantined("not_a_drill", "A real press ends drills only.")
    step = _step(batch, event)
    try:
        services.end_by_itself(drill, step, "drill")
    except IllegalTransition:
        services.tell(drill, step, "alert.resolved_too_late")
    return True


def _required_alert(batch: Batch, alert_id: str) -> Alert:
    alert = services.locked_alert(batch.organization_id, alert_id)
    if alert is None:
        raise Quarantined("unknown_alert", "No alert of this organization has this alert_id.")
    return alert


def _step(batch: Batch, event: Event, at: datetime | None = None) -> Step:
    """What the gateway itself did or saw."""
    return Step(
        event_id=event.event_id,
        at=at or batch.acted_at(event.at),
        actor_kind=PrincipalKind.GATEWAY,
        actor_id=batch.gateway_id,
        person=None,
        via="gateway",
    )


def _act(batch: Batch, event: Event, by: BuildingAct, alert: Alert) -> Step:
    """What somebody did in the building. A person who may not act on this alert counts as no name."""
    principal = person_principal(by.person) if by.person else None
    may = principal is not None and allows(principal, batch.organization_id, "alerts", "update", alert.building_id)
    return replace(_step(batch, event), person=by.person if may else None, via=by.via)
