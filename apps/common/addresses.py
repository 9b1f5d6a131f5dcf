"""Where a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The caller's address: what the nearest proxy saw, where one is declared to stand before us, else the peer's."""
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        seen: str = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if seen:
            return seen
    peer: str = request.META.get("REMOTE_ADDR", "")
    return peer
