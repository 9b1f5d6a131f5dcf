"""Retention of gateway events and assertions."""

from datetime import datetime, timedelta
from typing import Final

from apps.common.retention import delete_some
from apps.devices.models import GatewayAssertion, GatewayEvent

KEEP_EVENTS: Final = timedelta(days=90)
"""How long a repeat of an event is recognised; presses are recognised for ever, by the alert's own names."""


def forget_old_events(*, now: datetime, limit: int) -> int:
    """Delete at most `limit` events older than KEEP_EVENTS and return how many. In the system scope."""
    old = GatewayEvent.objects.filter(received_at__lt=now - KEEP_EVENTS).order_by("received_at")
    return delete_some(old, limit=limit)


def forget_used_assertions(*, now: datetime, limit: int) -> int:
    """Delete the ids of expired assertions, which cannot authenticate any more. In the system scope."""
    return delete_some(GatewayAssertion.objects.filter(expires_at__lt=now), limit=limit)
