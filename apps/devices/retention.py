"""What gateways leave behind, and for how long it is kept."""

from datetime import datetime, timedelta
from typing import Final

from apps.common.retention import delete_some
from apps.devices.models import GatewayAssertion, GatewayEvent

KEEP_EVENTS: Final = timedelta(days=90)
"""A repeat of an event is recognised for as long; presses are recognised for ever, by the alert's own names."""


def forget_old_events(*, now: datetime, limit: int) -> int:
    """Delete events that arrived longer ago than KEEP_EVENTS; how many, at most `limit`. In the system scope."""
    old = GatewayEvent.objects.filter(received_at__lt=now - KEEP_EVENTS).order_by("received_at")
    return delete_some(old, limit=limit)


def forget_used_assertions(*, now: datetime, limit: int) -> int:
    """Delete identifiers of assertions that have expired, and so open nothing any more. In the system scope."""
    return delete_some(GatewayAssertion.objects.filter(expires_at__lt=now), limit=limit)
