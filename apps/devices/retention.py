"""Retention of metrics, gateway events and assertions."""

from datetime import timedelta
from typing import Final

from apps.common.retention import Months, Rows, delete_before
from apps.devices.models import GatewayAssertion, GatewayEvent

RULES: Final = (
    Months(subject="device_metrics", kept=13, source="ours: a year, and the same month of the year before"),
    Rows(
        subject="gateway_events",
        kept=timedelta(days=90),
        since="it was received",
        source="ours: a repeat is recognized for so long; a press for ever, by the alert's own names",
        forget=delete_before(GatewayEvent, "received_at"),
    ),
    Rows(
        subject="gateway_assertions",
        kept=timedelta(),
        since="it expired",
        source="RFC 7523, 3: an expired one authenticates nobody",
        forget=delete_before(GatewayAssertion, "expires_at"),
    ),
)
