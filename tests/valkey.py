"""Valkey as if it were away, for what a test does meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import override_settings

from apps.common import valkey

NOWHERE = "unix:///nowhere/valkey.sock"


@contextmanager
def valkey_away() -> Iterator[None]:
    """No synchronous client of this process reaches Valkey."""
    unreachable = {**settings.CACHES, "valkey": {**settings.CACHES["valkey"], "LOCATION": [NOWHERE]}}
    with override_settings(CACHES=unreachable):
        valkey.client.cache_clear()
        try:
            yield
        finally:
            valkey.client.cache_clear()
