"""Waits after wrong answers, ended as time alone would end them."""

from apps.accounts.identity.credentials.throttle import LoginThrottle
from apps.common import valkey


def end_waits(tried: LoginThrottle) -> None:
    """The count stays as it is."""
    valkey.client().delete(*tried._keys[2::2])
