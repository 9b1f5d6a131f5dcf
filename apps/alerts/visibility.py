"""What of an organization's alerts a grant lets its holder see, and where: a pure reading of the permissions table.

`alerts:read` is every alert with its whole story, live; `silent_alerts:read` the silent ones among them;
`closed_alerts:read` alone is a viewer's: closed alerts, without who did what. `open_alerts:read` is what staff of a
suspended organization keep: what there is to answer.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q

from apps.alerts.lifecycle import OPEN
from apps.alerts.models import AlertStatus
from apps.common.access import Grant

Where = frozenset[UUID] | None
"""The buildings of which alerts are seen. None: of the whole organization, those of no known place included."""

NOWHERE: Final[frozenset[UUID]] = frozenset()
CLOSED: Final = frozenset(AlertStatus) - OPEN


@dataclass(frozen=True, slots=True)
class Visibility:
    """Where open, closed and silent alerts are seen, and where it is told who did what."""

    open: Where
    closed: Where
    silent: Where
    named: Where

    @property
    def statuses(self) -> frozenset[AlertStatus]:
        """Of which alerts, anywhere."""
        return (OPEN if self.open != NOWHERE else frozenset()) | (CLOSED if self.closed != NOWHERE else frozenset())

    def shows(self, status: str, building: UUID | None, *, silent: bool) -> bool:
        """Whether an alert is seen."""
        where = self.open if status in OPEN else self.closed
        return within(where, building) and (not silent or within(self.silent, building))

    def as_filter(self) -> Q:
        """The same for a queryset of alerts of the organization."""
        told = Q(status__in=OPEN) & _inside(self.open) | Q(status__in=CLOSED) & _inside(self.closed)
        return told if self.silent is None else told & (Q(is_silent=False) | _inside(self.silent))


def visibility(grant: Grant) -> Visibility:
    """What this grant sees."""
    everything = grant.buildings("alerts", "read")
    seen_open = union(everything, grant.buildings("open_alerts", "read"))
    return Visibility(
        open=seen_open,
        closed=union(everything, grant.buildings("closed_alerts", "read")),
        silent=grant.buildings("silent_alerts", "read"),
        named=seen_open,
    )


def within(where: Where, building: UUID | None) -> bool:
    """Whether a building is among them; that of an alert of no known place is None."""
    return where is None or building in where


def union(one: Where, other: Where) -> Where:
    """Wherever one of the two holds."""
    return None if one is None or other is None else one | other


def both(one: Where, other: Where) -> Where:
    """Where each of the two holds."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _inside(where: Where) -> Q:
    return Q() if where is None else Q(building_id__in=where)
