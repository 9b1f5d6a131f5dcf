"""Waits after wrong answers, ended as if their time had passed."""

from apps.accounts.identity.credentials.throttle import LoginThrottle
from apps.common import valkey


def end_waits(tried: LoginThrottle) -> None:
    """End the waits and keep the count of wrong answers."""
    valkey.client().delete(*tried._keys[2::2])
