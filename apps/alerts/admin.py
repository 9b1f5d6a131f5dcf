"""Alerts in the admin: the record, as far as a role sees it. Acknowledging and resolving is the board's."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from apps.alerts.models import Alert, AlertEvent, AlertNote, Incident
from apps.alerts.sight import sight
from apps.common.access import Grant
from apps.common.scoped_admin import ScopedAdmin, caller


@admin.register(Alert)
class AlertAdmin(ScopedAdmin):
    """Every alert that the role sees: a silent one for the response team, open ones for staff."""

    resource = "closed_alerts"
    building = "building_id"
    list_display = (
        "triggered_at",
        "alert_type",
        "severity",
        "status",
        "place_name",
        "is_drill",
        "is_silent",
        "presses",
    )
    list_filter = ("status", "alert_type", "is_drill")
    ordering = ("-triggered_at", "-id")
    exclude = ("metadata",)

    def place_name(self, alert: Alert) -> str:
        """Room and building, as they were called then."""
        place = alert.place or {}
        return ", ".join(place[kind]["name"] for kind in ("room", "building") if (place.get(kind) or {}).get("name"))

    def _readable(self, grant: Grant) -> Q:
        return Q(organization_id=grant.organization_id) & sight(grant).as_filter()


class OfAlert(ScopedAdmin):
    """What stands beside an alert is read by whoever sees the alert."""

    ordering = ("-triggered_at", "-created_at")
    list_filter = ("alert",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of alerts that are seen."""
        seen = AlertAdmin(Alert, self.admin_site).get_queryset(request)
        of = seen.filter(
            id=OuterRef("alert"), triggered_at=OuterRef("triggered_at"), organization_id=OuterRef("organization_id")
        )
        organizations = caller(request).grants
        every: QuerySet[Any] = super(ScopedAdmin, self).get_queryset(request)
        return every.filter(Exists(of), organization_id__in=organizations)


@admin.register(AlertEvent)
class AlertEventAdmin(OfAlert):
    """The story of an alert, step by step; with who did what, so not for a viewer."""

    resource = "alerts"
    list_display = ("at", "kind", "actor_kind", "actor_id", "alert")


@admin.register(AlertNote)
class AlertNoteAdmin(OfAlert):
    """What people wrote to an alert."""

    resource = "alert_notes"
    list_display = ("created_at", "author_id", "body", "alert")


@admin.register(Incident)
class IncidentAdmin(ScopedAdmin):
    """What gathers the alerts of one site, type, drill and silent flag."""

    resource = "alerts"
    list_display = ("opened_at", "alert_type", "site", "is_drill", "closed_at")
    list_select_related = ("site",)
    ordering = ("-opened_at",)

    def _readable(self, grant: Grant) -> Q:
        readable = super()._readable(grant)
        return readable if sight(grant).silent is None else readable & Q(is_silent=False)
