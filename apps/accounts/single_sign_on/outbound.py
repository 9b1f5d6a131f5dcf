"""HTTP requests to URLs that an organization's administrator entered: never to internal hosts.

Host names are resolved here, and the connection uses exactly the address that was checked, so that a name that resolves
differently the second time has no effect. No redirects, no proxies or passwords from the environment, and a limit on
the size of responses.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter

TIMEOUT_SECONDS: Final = 5.0
LARGEST_ANSWER: Final = 1024 * 1024
CHUNK: Final = 64 * 1024

GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All that IANA has assigned to hosts (RFC 4291, 2.4). Not included: NAT64 (`64:ff9b::/96` and `64:ff9b:1::/48`),
IPv4 addresses written as IPv6 (`::/96`, `::ffff:0:0/96`, `::ffff:0:0:0/96`), local addresses and multicast."""
NOT_FOR_HOSTS: Final = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID and others (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, which contains an IPv4 address (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Ranges in it that are not ordinary hosts: IANA's registry of special-purpose addresses."""
RELAYS_OF_6TO4: Final = ip_network("192.88.99.0/24")
"""Anycast addresses of 6to4 relays (RFC 7526)."""


class NotAllowed(requests.RequestException):
    """Requests to this address are not allowed."""


class OutboundSession(requests.Session):
    """A requests session for allauth."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        for scheme in ("https://", "http://"):
            self.mount(scheme, _PinnedAdapter(max_retries=0))

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Send a request. Raises RequestException if it is not allowed, fails, is redirected or returns too much."""
        kwargs |= {"allow_redirects": False, "stream": True, "timeout": TIMEOUT_SECONDS}
        response = super().request(method, url, *args, **kwargs)
        body = b""
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > LARGEST_ANSWER:
                response.close()
                raise requests.RequestException("The response is too large.")
        response._content = body
        return response


class _PinnedAdapter(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send with the original host name in `Host`, although the connection uses an address."""
        request.headers["Host"] = urlsplit(request.url or "").netloc.rpartition("@")[2]
        return super().send(request, *args, **kwargs)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the address to connect to; the certificate must match the host name."""
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(request, verify, cert)
        host = host_params["host"].strip("[]")
        host_params["host"] = _allowed_address(host_params["scheme"], host, host_params["port"])
        if host_params["scheme"] == "https":
            pool_kwargs |= {"server_hostname": host, "assert_hostname": host}
        return host_params, pool_kwargs


def _allowed_address(scheme: str, host: str, port: int | None) -> str:
    """Return an address of the host. Raises NotAllowed if any of its addresses is not public, or without TLS."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise requests.ConnectionError(f"{host} is not found.") from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if scheme != "https" and not (settings.OIDC_PRIVATE_ISSUERS and all(one.is_loopback for one in addresses)):
        raise NotAllowed(f"{host} requires TLS.")
    if not settings.OIDC_PRIVATE_ISSUERS and not all(is_public(one) for one in addresses):
        raise NotAllowed(f"{host} is not at a public address.")
    return str(addresses[0])


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether this is a global unicast address of one host that does not embed another address."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return address not in RELAYS_OF_6TO4
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_FOR_HOSTS)
