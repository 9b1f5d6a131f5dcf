"""Ownership of alert names: a name that one gateway used never stands for a different press of another gateway.

The plain name, `{device}:{inst}:{seq}`, is for a gateway of the device's building. An alert from any other gateway, and
a press whose name is already in use, get a separate name (`Batch.own_name`).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection

from apps.alerts.ingest.batch import Batch, Dated
from apps.devices.selectors import gateway_buildings

_KNOWN_SQL: Final = """
    SELECT k.alert_id, coalesce(k.gateway_id, a.gateway_id), coalesce(k.received_at, a.received_at),
           a.alert_type, a.is_silent, a.is_drill OR jsonb_exists(a.metadata, 'drill_claimed'), a.resolved_at
    FROM alert_keys k
    LEFT JOIN alert_history a ON a.organization_id = k.organization_id AND a.id = k.id
        AND a.triggered_at = k.triggered_at
    WHERE k.organization_id = %s AND k.alert_id = ANY (%s)
"""


class Kind(msgspec.Struct, frozen=True):
    """A press as its gateway classified it: presses that concern different people are never the same press."""

    alert_type: str
    silent: bool
    claims_drill: bool


class Known(msgspec.Struct, array_like=True, frozen=True):
    """A named press: the gateway that named it, when it arrived in the cloud, and the alert that it belongs to.

    `alert_type` is None if that alert is no longer in the database.
    """

    name: str
    gateway: UUID | None
    received_at: datetime | None
    alert_type: str | None
    silent: bool | None
    claims_drill: bool | None
    resolved_at: datetime | None

    def is_press(self, batch: Batch, kind: Kind, dated: Dated) -> bool:
        """Return whether a gateway reports this same press again.

        It may be a repeat of its own, or a press that another gateway of the same building received too. A press that
        was received before this one can have been made is a different press.
        """
        if self.alert_type is not None and Kind(self.alert_type, bool(self.silent), bool(self.claims_drill)) != kind:
            return False
        if self.gateway == batch.gateway_id:
            return True
        if self.gateway is None or self.received_at is None or self.alert_type is None:
            return False
        if batch.buildings.isdisjoint(gateway_buildings(batch.organization_id, self.gateway)):
            return False
        return dated.earliest <= self.received_at and dated.is_before(self.resolved_at)


def known_names(organization: UUID, names: Collection[str]) -> dict[str, Known]:
    """Return the presses that have these names."""
    if not names:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_SQL, [organization, list(names)])
        return {row[0]: msgspec.convert(row, Known) for row in cursor.fetchall()}
