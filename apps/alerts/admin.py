"""Alerts in the admin, as far as the user's role may read them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join

from apps.accounts.identity.selectors import full_names
from apps.alerts import services
from apps.alerts.lifecycle import OPEN
from apps.alerts.models import Alert, AlertEvent, AlertNote, AlertStatus, Incident
from apps.alerts.room_names import room_name
from apps.alerts.selectors import AlertNotFound, id_window
from apps.alerts.visibility import visibility, within
from apps.common.access import Grant, Principal
from apps.common.model_admin.scoped import ScopedAdmin, caller
from apps.common.model_admin.services import Act, ServiceAdmin

WHAT: Final = (
    "alert_type",
    "severity",
    "status",
    "source",
    "place_name",
    "marks",
    "hardware_id",
    "presses",
    "close_reason",
)
MARKS: Final = {
    "is_drill": "DRILL",
    "is_silent": "SILENT",
    "is_late": "arrived late",
    "is_unattributed": "of no known button",
}
TIMES: Final = ("triggered_at", "received_at", "last_pressed_at", "acknowledged_at", "resolved_at")
PEOPLE: Final = ("acknowledged_by_name", "resolved_by_name", "approved_by", "approvals_required", "timeline", "notes")
"""Fields that say who did what: hidden from users who may read closed alerts only."""


UNKNOWN: Final = "Unknown"
"""Displayed for a person whose row was deleted."""


def _names(people: Sequence[UUID | None]) -> str:
    ids = [person for person in people if person]
    known = full_names(ids)
    return ", ".join(known.get(person, UNKNOWN) for person in ids)


def _clock(at: datetime) -> str:
    """Return the time of day with seconds, in the time zone of the page."""
    return date_format(timezone.localtime(at), "H:i:s")


def _acknowledge(principal: Principal, alert: Alert) -> str:
    services.acknowledge(principal=principal, alert_uuid=alert.id, now=timezone.now())
    return "acknowledged"


def _resolve(principal: Principal, alert: Alert) -> str:
    outcome = services.resolve(principal=principal, alert_uuid=alert.id, reason=None, now=timezone.now())
    if outcome.awaiting_second_person:
        return "your all clear is in, 1 of 2; a second person must confirm"
    return "closed"


@admin.register(Alert)
class AlertAdmin(ServiceAdmin):
    """Every alert that the role may read: silent ones for the response team, open ones for staff."""

    resource = "closed_alerts"
    building = "building_id"
    list_display = (
        "triggered_at",
        "alert_type",
        "severity",
        "status",
        "place_name",
        "marks",
        "presses",
    )
    list_filter = ("status", "is_drill")
    ordering = ("-triggered_at", "-id")
    readonly_fields = (
        "place_name",
        "marks",
        "acknowledged_by_name",
        "resolved_by_name",
        "approved_by",
        "timeline",
        "notes",
    )
    acts = (
        Act(
            "acknowledge",
            "Acknowledge",
            ("alerts", "update"),
            _acknowledge,
            lambda alert: alert.status == AlertStatus.NEW,
        ),
        Act(
            "resolve",
            "All clear",
            ("alerts", "update"),
            _resolve,
            lambda alert: alert.status in OPEN,
            question="All clear for these alerts?",
        ),
    )

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Return the alerts visible to the grant; in a suspended school open ones need no right to read the record."""
        reads = (resource, action) == (self.resource, "read")
        held = Q(organization_id=grant.organization_id) if reads else super().granted(grant, resource, action)
        return held & visibility(grant).as_filter()

    def may(self, request: HttpRequest, action: str, obj: Any) -> bool:
        """Allow reading when any alert, or this one, is visible to the caller."""
        if action != "read":
            return super().may(request, action, obj)
        grants = caller(request).grants
        if obj is None:
            return any(visibility(grant).statuses for grant in grants.values())
        grant = grants.get(obj.organization_id)
        return grant is not None and visibility(grant).shows(obj.status, obj.building_id, silent=obj.is_silent)

    def lookup(self, rows: QuerySet[Any], object_id: str) -> Any:
        """Look in the single partition that the id names."""
        key = self.key(object_id)
        if key is None:
            return None
        try:
            start, end = id_window(key)
        except AlertNotFound:
            return None
        return super().lookup(rows.filter(triggered_at__gte=start, triggered_at__lt=end), object_id)

    def get_fields(self, request: HttpRequest, obj: Alert | None = None) -> tuple[str, ...]:
        """Return all fields to users who may read open alerts."""
        grant = caller(request).grants.get(obj.organization_id) if obj else None
        return (
            *WHAT,
            *TIMES,
            *(PEOPLE if grant and obj and within(visibility(grant).named, obj.building_id) else ()),
        )

    def described(self, row: Alert) -> str:
        """Describe an alert by everything that distinguishes it from others."""
        at = date_format(timezone.localtime(row.triggered_at), "DATETIME_FORMAT")
        return ", ".join(part for part in (row.alert_type, self.place_name(row), at, self.marks(row)) if part)

    def marks(self, alert: Alert) -> str:
        """Display what is special about the alert."""
        return ", ".join(label for name, label in MARKS.items() if getattr(alert, name))

    @admin.display(description="Place")
    def place_name(self, alert: Alert) -> str:
        """Display the room, its name and the building as they were named when the alert was raised."""
        room, building = ((alert.place or {}).get(kind) or {} for kind in ("room", "building"))
        number = room.get("room_number")
        parts = (room_name(number) if number else None, room.get("name"), building.get("name"))
        return ", ".join(dict.fromkeys(part for part in parts if part))

    @admin.display(description="Acknowledged by")
    def acknowledged_by_name(self, alert: Alert) -> str:
        """Display the person who acknowledged the alert."""
        return _names([alert.acknowledged_by])

    @admin.display(description="Resolved by")
    def resolved_by_name(self, alert: Alert) -> str:
        """Display the person who resolved the alert."""
        return _names([alert.resolved_by])

    def approved_by(self, alert: Alert) -> str:
        """Display who has requested the all-clear so far."""
        return _names(alert.approvals)

    def timeline(self, alert: Alert) -> str:
        """Display the alert's timeline."""
        steps = AlertEvent.objects.filter(
            organization_id=alert.organization_id, alert=alert.id, triggered_at=alert.triggered_at
        )
        rows = list(steps.order_by("at", "id").values_list("at", "kind", "actor_kind", "actor_id"))
        names = full_names({actor for *_, actor in rows if actor})
        return format_html_join(
            "",
            "<div>{}: {} by {}</div>",
            (
                (_clock(at), kind, (names.get(actor) if actor else None) or actor_kind)
                for at, kind, actor_kind, actor in rows
            ),
        )

    def notes(self, alert: Alert) -> str:
        """Display the notes that people added to the alert."""
        notes = AlertNote.objects.filter(
            organization_id=alert.organization_id, alert=alert.id, triggered_at=alert.triggered_at
        )
        rows = list(notes.order_by("created_at", "id").values_list("created_at", "author_id", "body"))
        names = full_names({author for _, author, _ in rows})
        return format_html_join(
            "",
            "<div>{}: {}: {}</div>",
            ((_clock(at), names.get(author, UNKNOWN), body) for at, author, body in rows),
        )


@admin.register(Incident)
class IncidentAdmin(ScopedAdmin):
    """Incidents, each of which groups the alerts of one site, type, drill flag and silent flag."""

    resource = "alerts"
    list_display = ("opened_at", "alert_type", "site", "is_drill", "closed_at")
    list_select_related = ("site",)
    ordering = ("-opened_at", "-id")

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Restrict silent incidents to the response team."""
        granted = super().granted(grant, resource, action)
        return granted if visibility(grant).silent is None else granted & Q(is_silent=False)
