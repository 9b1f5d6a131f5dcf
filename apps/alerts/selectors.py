"""Reads of alerts: always from the open scope, filtered by organization, and by what the role may see."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection

from apps.alerts.models import AlertStatus
from apps.common.access import Grant, Principal, grant_in
from apps.common.problems import Forbidden, Invalid, NotFound

MAX_PAGE: Final = 100
_MILLISECOND: Final = timedelta(milliseconds=1)


class AlertNotFound(NotFound):
    """No such alert, or not the caller's to know of."""

    code = "alert_not_found"
    default_detail = "There is no alert here with this id."


@dataclass(frozen=True, slots=True)
class Sight:
    """What of an organization's alerts a grant lets its holder see: a pure reading of the permissions table.

    `alerts:read` is every alert, live; `silent_alerts:read` the silent ones too; `closed_alerts:read` alone is a
    viewer's: closed alerts, later, and without who did what.
    """

    live: bool
    silent: bool
    closed: bool

    @property
    def statuses(self) -> frozenset[str]:
        """Of which alerts."""
        return frozenset(AlertStatus) if self.live else _CLOSED if self.closed else frozenset()


_CLOSED: Final = frozenset({AlertStatus.RESOLVED, AlertStatus.CANCELLED})


def sight(grant: Grant) -> Sight:
    """What this grant sees."""
    may = grant.permissions
    return Sight(
        live=("alerts", "read") in may,
        silent=("silent_alerts", "read") in may,
        closed=("closed_alerts", "read") in may,
    )


def sight_of(principal: Principal, organization: UUID) -> Sight:
    """What the principal sees of an organization. Raises NotFound for a stranger, Forbidden for who sees nothing."""
    grant = grant_in(principal, organization)
    seen = sight(grant)
    if not seen.statuses:
        raise Forbidden(f"Your role in this organization ({grant.role}) does not include reading alerts.")
    return seen


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list that is ordered newest first; `backwards` looks toward the newer."""

    triggered_at: datetime
    id: UUID
    backwards: bool = False

    def encode(self) -> str:
        """As clients carry it: opaque."""
        text = f"{'p' if self.backwards else 'n'}|{self.triggered_at.isoformat()}|{self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises Invalid for anything that this list did not give out."""
        try:
            direction, at, id_ = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split("|")
            triggered_at = datetime.fromisoformat(at)
            if direction not in {"n", "p"} or triggered_at.tzinfo is None:
                raise ValueError
            return cls(triggered_at, UUID(id_), direction == "p")
        except (ValueError, binascii.Error):
            raise Invalid(
                "This cursor is not one of this list.", errors={"cursor": ["Not a cursor of this list."]}
            ) from None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: finished JSON documents, and where to go on."""

    documents: Sequence[str]
    next: Cursor | None
    previous: Cursor | None


def alert_page(
    *, principal: Principal, organization: UUID, statuses: Sequence[AlertStatus], limit: int, cursor: Cursor | None
) -> Page:
    """Alerts of an organization, newest first. Raises NotFound or Forbidden."""
    seen = sight_of(principal, organization)
    backwards = cursor is not None and cursor.backwards
    rows = _rows(
        organization=organization,
        statuses=[status for status in statuses if status in seen.statuses],
        seen=seen,
        limit=limit + 1,
        cursor=cursor,
    )
    more, rows = len(rows) > limit, rows[:limit]
    if backwards:
        rows.reverse()
    first = Cursor(rows[0][1], rows[0][0], backwards=True) if rows else None
    last = Cursor(rows[-1][1], rows[-1][0]) if rows else None
    has_next = more if not backwards else True
    has_previous = more if backwards else cursor is not None
    return Page([row[2] for row in rows], last if has_next else None, first if has_previous else None)


def alert_document(*, principal: Principal, alert_uuid: UUID) -> str:
    """One alert as JSON. Raises AlertNotFound or Forbidden."""
    organization, status, is_silent, full, redacted = _document(alert_uuid, list(principal.grants))
    seen = sight_of(principal, organization)
    if status not in seen.statuses or (is_silent and not seen.silent):
        raise AlertNotFound()
    return full if seen.live else redacted


def document_after_act(*, principal: Principal, alert_uuid: UUID) -> str:
    """The alert for who has just acted on it, which in a suspended organization is more than they may read."""
    return _document(alert_uuid, list(principal.grants))[3]


def id_window(alert_uuid: UUID) -> tuple[datetime, datetime]:
    """The millisecond in which an alert of this id was triggered: the id alone says which partition.

    Raises AlertNotFound for an id that is no UUIDv7.
    """
    if alert_uuid.version != 7:  # noqa: PLR2004 -- RFC 9562, 5.7
        raise AlertNotFound()
    start = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=alert_uuid.int >> 80)
    return start, start + _MILLISECOND


def _rows(
    *, organization: UUID, statuses: Sequence[AlertStatus], seen: Sight, limit: int, cursor: Cursor | None
) -> list[tuple[UUID, datetime, str]]:
    backwards = cursor is not None and cursor.backwards
    comparison, order = (">", "ASC") if backwards else ("<", "DESC")
    where = f"AND (a.triggered_at, a.id) {comparison} (%s, %s)" if cursor else ""
    start: list[datetime | UUID] = [cursor.triggered_at, cursor.id] if cursor else []
    with connection.cursor() as db:
        db.execute(
            "SELECT a.id, a.triggered_at, alert_document(a, %s)::text FROM alert_history a"
            " WHERE a.organization_id = %s AND a.status = ANY (%s) AND (%s OR NOT a.is_silent)"
            f" {where} ORDER BY a.triggered_at {order}, a.id {order} LIMIT %s",
            [not seen.live, organization, list(statuses), seen.silent, *start, limit],
        )
        rows: list[tuple[UUID, datetime, str]] = db.fetchall()
    return rows


def _document(alert_uuid: UUID, organizations: list[UUID]) -> tuple[UUID, str, bool, str, str]:
    """Organization, status, silence, full and redacted JSON of one alert. Raises AlertNotFound."""
    start, end = id_window(alert_uuid)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.organization_id, a.status, a.is_silent, alert_document(a)::text, alert_document(a, true)::text"
            " FROM alert_history a WHERE a.organization_id = ANY (%s)"
            " AND a.id = %s AND a.triggered_at >= %s AND a.triggered_at < %s",
            [organizations, alert_uuid, start, end],
        )
        row: tuple[UUID, str, bool, str, str] | None = cursor.fetchone()
    if row is None:
        raise AlertNotFound()
    return row
