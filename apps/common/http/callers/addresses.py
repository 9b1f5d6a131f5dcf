"""Network addresses of callers."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """Return the caller's address of an ASGI connection, like `address_of`."""
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        forwarded = b"".join(value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for")
        seen = forwarded.decode("latin-1").rpartition(",")[2].strip()
        if seen:
            return seen
    client = scope.get("client")
    return str(client[0]) if client else ""


def address_of(request: HttpRequest) -> str:
    """Return the caller's address: the one that the declared proxy reports, else that of the peer."""
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        seen: str = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if seen:
            return seen
    peer: str = request.META.get("REMOTE_ADDR", "")
    return peer


def source_of(address: str) -> str:
    """Return what counts as one caller: the IPv4 address, or the /64 network that an IPv6 customer has at least."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return address
