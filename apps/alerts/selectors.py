"""Queries for alerts: always in the open scope, filtered by organization and by the role's visibility."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection
from django.db.models import Q

from apps.alerts.lifecycle import OPEN
from apps.alerts.models import Alert, AlertStatus
from apps.alerts.visibility import CLOSED, NOWHERE, Visibility, Where, union, visibility, within
from apps.common.access import Principal, grant_in
from apps.common.http.pagination import Page, PageQuery, cut
from apps.common.problems import Forbidden, NotFound
from apps.common.times import from_unix
from apps.tenancy import selectors as tenancy
from apps.tenancy.occupancy import Extent

_MILLISECOND: Final = timedelta(milliseconds=1)


class AlertNotFound(NotFound):
    """The alert does not exist, or is not visible to the caller."""

    code = "alert_not_found"
    default_detail = "There is no alert here with this id."


class AlertRow(msgspec.Struct, array_like=True, frozen=True):
    """An alert in a list: its position in the order, and its complete JSON."""

    id: UUID
    triggered_at: datetime
    document: str


class FoundAlert(msgspec.Struct, array_like=True, frozen=True):
    """One alert, with its JSON for staff and the redacted one for viewers."""

    organization: UUID
    building: UUID | None
    status: str
    is_silent: bool
    full: str
    redacted: str


def visibility_of(principal: Principal, organization: UUID) -> Visibility:
    """Return which alerts of an organization are visible to the principal.

    Where the organization allows it, viewers can also read open alerts, redacted like all others. Raises NotFound for a
    stranger, Forbidden for a principal without any visible alerts.
    """
    grant = grant_in(principal, organization)
    visible = visibility(grant)
    if not visible.statuses:
        raise Forbidden(f"Your role in this organization ({grant.role}) does not include reading alerts.")
    if (
        union(visible.open, visible.closed) == visible.open
        or not tenancy.settings_of(organization).viewers_see_open_alerts
    ):
        return visible
    return replace(visible, open=union(visible.open, visible.closed))


def alert_page(
    *, principal: Principal, organization: UUID, statuses: Collection[AlertStatus], query: PageQuery
) -> Page[AlertRow]:
    """Return a page of the alerts of an organization that are visible to the principal, newest first.

    Raises NotFound, or Forbidden if the principal may see none of these statuses: an empty list would say that there
    are no such alerts.
    """
    visible = visibility_of(principal, organization)
    if visible.statuses.isdisjoint(statuses):
        raise Forbidden("Your role in this organization does not include reading such alerts.")
    opened, closed, silent = _within(visible.open), _within(visible.closed), _within(visible.silent)
    named = _within(visible.named)
    comparison, order = (">", "ASC") if query.backwards else ("<", "DESC")
    beyond = f"AND (a.triggered_at, a.id) {comparison} (%s::timestamptz, %s::uuid)" if query.position else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a.id, a.triggered_at, alert_document(a, NOT {named.sql})::text FROM alert_history a"
            " WHERE a.organization_id = %s"
            f" AND (a.status = ANY (%s) AND {opened.sql} OR a.status = ANY (%s) AND {closed.sql})"
            f" AND (NOT a.is_silent OR {silent.sql}) {beyond}"
            f" ORDER BY a.triggered_at {order}, a.id {order} LIMIT %s",
            [
                *named.params,
                organization,
                [status for status in statuses if status in OPEN and visible.open != NOWHERE],
                *opened.params,
                [status for status in statuses if status in CLOSED and visible.closed != NOWHERE],
                *closed.params,
                *silent.params,
                *(query.position.values if query.position else ()),
                query.limit + 1,
            ],
        )
        rows = msgspec.convert(cursor.fetchall(), list[AlertRow])
    return cut(rows, query, key=lambda row: (row.triggered_at, row.id))


def alert_document(*, principal: Principal, alert_uuid: UUID) -> str:
    """Return one alert as JSON. Raises AlertNotFound or Forbidden."""
    alert = _find(alert_uuid, principal)
    visible = visibility_of(principal, alert.organization)
    if not visible.shows(alert.status, alert.building, silent=alert.is_silent):
        raise AlertNotFound()
    return alert.full if within(visible.named, alert.building) else alert.redacted


def document_after_act(*, principal: Principal, alert_uuid: UUID) -> str:
    """Return an alert that the caller has just acted on, which in a suspended organization they may not read later."""
    return _find(alert_uuid, principal).full


def armed_buttons(*, principal: Principal, organization: UUID, now: datetime) -> list[str]:
    """Return the buttons armed for a drill as JSON, newest first, where the principal may read open alerts.

    Raises NotFound for a stranger, Forbidden for a principal who may not read open alerts.
    """
    visible = visibility_of(principal, organization)
    if visible.open == NOWHERE:
        raise Forbidden("Your role in this organization does not include reading open alerts.")
    where = _within(visible.open, "d")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT drill_document(d)::text FROM drill_arms d"
            f" WHERE d.organization_id = %s AND d.alert_id IS NULL AND d.expires_at > %s AND {where.sql}"
            " ORDER BY d.armed_at DESC",
            [organization, now, *where.params],
        )
        return [document for (document,) in cursor.fetchall()]


def open_alerts_in(extent: Extent) -> list[str]:
    """Return the ids of the open alerts at a place, newest first: only ids, since some alerts are silent."""
    alerts = Alert.objects.filter(organization_id=extent.organization_id, status__in=OPEN)
    if not extent.is_everything:
        alerts = alerts.filter(Q(room_id__in=extent.rooms) | Q(building_id__in=extent.buildings))
    return [str(id_) for id_ in alerts.order_by("-triggered_at", "-id").values_list("id", flat=True)]


def is_alarm_open(organization_id: UUID) -> bool:
    """Return whether any open alert exists that is not silent, at any place and regardless of its audience.

    For a page that must not say that there is no alarm; it does not reveal which alert is open.
    """
    here = Alert.objects.filter(organization_id=organization_id, status__in=OPEN, is_silent=False)
    return here.exists()


def id_window(alert_uuid: UUID) -> tuple[datetime, datetime]:
    """Return the millisecond in which an alert of this id was triggered, which determines its partition.

    Raises AlertNotFound for an id that is not a UUIDv7, or whose time is out of range.
    """
    start = from_unix(milliseconds=alert_uuid.int >> 80)
    if alert_uuid.version != 7 or start is None:  # noqa: PLR2004 -- RFC 9562, 5.7
        raise AlertNotFound()
    return start, start + _MILLISECOND


class _Condition(msgspec.Struct, frozen=True):
    sql: str
    params: list[list[UUID]] = []


def _within(where: Where, row: str = "a") -> _Condition:
    """`visibility.within` in SQL; a constant for an unrestricted principal, so that no row needs a check."""
    if where is None or where == NOWHERE:
        return _Condition("true" if where is None else "false")
    return _Condition(f"coalesce({row}.building_id = ANY (%s), false)", [list(where)])


def _find(alert_uuid: UUID, principal: Principal) -> FoundAlert:
    start, end = id_window(alert_uuid)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.organization_id, a.building_id, a.status, a.is_silent,"
            " alert_document(a)::text, alert_document(a, true)::text"
            " FROM alert_history a WHERE a.organization_id = ANY (%s)"
            " AND a.id = %s AND a.triggered_at >= %s AND a.triggered_at < %s",
            [list(principal.grants), alert_uuid, start, end],
        )
        row = cursor.fetchone()
    if row is None:
        raise AlertNotFound()
    return msgspec.convert(row, FoundAlert)
