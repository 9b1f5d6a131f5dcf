"""Which alerts of an organization a grant makes visible, and where: derived from the permissions table alone.

`alerts:read` is every alert with its whole timeline, live; `silent_alerts:read` adds the silent ones;
`closed_alerts:read` alone is for viewers: closed alerts, without who did what. Staff of a suspended organization keep
`open_alerts:read`: the alerts that need a response.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Q

from apps.alerts.lifecycle import OPEN
from apps.alerts.models import AlertStatus
from apps.common.access import Grant

Where = frozenset[UUID] | None
"""The buildings whose alerts are visible. None: the whole organization, including alerts of no known place."""

NOWHERE: Final[frozenset[UUID]] = frozenset()
CLOSED: Final = frozenset(AlertStatus) - OPEN


@dataclass(frozen=True, slots=True)
class Visibility:
    """Where open, closed and silent alerts are visible, and where it is visible who did what."""

    open: Where
    closed: Where
    silent: Where
    named: Where

    @property
    def statuses(self) -> frozenset[AlertStatus]:
        """The statuses of alerts that are visible at any place."""
        return (OPEN if self.open != NOWHERE else frozenset()) | (CLOSED if self.closed != NOWHERE else frozenset())

    def shows(self, status: str, building: UUID | None, *, silent: bool) -> bool:
        """Return whether an alert is visible."""
        where = self.open if status in OPEN else self.closed
        return within(where, building) and (not silent or within(self.silent, building))

    def as_filter(self) -> Q:
        """Return the same as a filter for the organization's alerts."""
        visible = Q(status__in=OPEN) & _inside(self.open) | Q(status__in=CLOSED) & _inside(self.closed)
        return visible if self.silent is None else visible & (Q(is_silent=False) | _inside(self.silent))


def visibility(grant: Grant) -> Visibility:
    """Return the visibility that this grant gives."""
    everything = grant.buildings("alerts", "read")
    seen_open = union(everything, grant.buildings("open_alerts", "read"))
    return Visibility(
        open=seen_open,
        closed=union(everything, grant.buildings("closed_alerts", "read")),
        silent=grant.buildings("silent_alerts", "read"),
        named=seen_open,
    )


def within(where: Where, building: UUID | None) -> bool:
    """Return whether a building is included; `building` is None for an alert of no known place."""
    return where is None or building in where


def union(one: Where, other: Where) -> Where:
    """Return the places that are in at least one of the two."""
    return None if one is None or other is None else one | other


def both(one: Where, other: Where) -> Where:
    """Return the places that are in both."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _inside(where: Where) -> Q:
    return Q() if where is None else Q(building_id__in=where)
