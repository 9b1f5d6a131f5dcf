"""A simulated outage of Valkey during a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import override_settings

from apps.common import valkey

NOWHERE = "unix:///nowhere/valkey.sock"


@contextmanager
def valkey_away() -> Iterator[None]:
    """Make Valkey unreachable for the synchronous clients and the cache of this process."""
    unreachable = {name: {**cache, "LOCATION": [NOWHERE]} for name, cache in settings.CACHES.items()}
    with override_settings(CACHES=unreachable):
        valkey.client.cache_clear()
        try:
            yield
        finally:
            valkey.client.cache_clear()
