"""Outbound requests to hosts that a school's administrator enters."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from apps.accounts.single_sign_on.outbound import LARGEST_ANSWER, NotAllowed, OutboundSession, is_public

pytestmark = pytest.mark.slow

CARRIERS = {
    "NAT64": lambda inner: (0x64FF9B << 96) | inner,
    "NAT64 of one network": lambda inner: (0x64FF9B0001 << 80) | inner,
    "6to4": lambda inner: (0x2002 << 112) | (inner << 80),
    "Teredo, server": lambda inner: (0x20010000 << 96) | (inner << 64),
    "Teredo, client": lambda inner: (0x20010000 << 96) | (inner ^ 0xFFFFFFFF),
    "mapped": lambda inner: (0xFFFF << 32) | inner,
    "translated": lambda inner: (0xFFFF << 48) | inner,
    "compatible": lambda inner: inner,
}
"""Ways to embed an IPv4 address in an IPv6 address."""


class Handler(BaseHTTPRequestHandler):
    size = 2

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        for _ in range(self.size):
            self.wfile.write(b"x")

    def log_message(self, *args: object) -> None:
        """Log nothing."""


class Endless(Handler):
    size = LARGEST_ANSWER + 1


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for this name, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return file


@contextmanager
def serving(handler: type[Handler], tls: Path | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "0.0.0.0",
        "2130706433",
        "224.0.0.251",
        "239.1.2.3",
        "255.255.255.255",
        "192.88.99.1",
        "[::]",
        "[ff02::1]",
        "[ff0e::1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::1]",
        "[2001:0:53aa:64c:0:fbff:80ff:fffe]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[fec0::1]",
        "[100::1]",
        "[5f00::1]",
        "[2001:db8::1]",
        "[3fff::1]",
    ],
)
def test_request_to_non_public_host_is_refused(settings: Settings, host: str) -> None:
    settings.OIDC_PRIVATE_ISSUERS = False
    with pytest.raises(NotAllowed), OutboundSession() as session:
        session.get(f"https://{host}/")


@given(st.ip_addresses(v=4), st.sampled_from(sorted(CARRIERS)))
def test_ipv6_address_with_embedded_ipv4_address_is_not_public(inner: IPv4Address, carrier: str) -> None:
    """Even a public IPv4 address: the packets would go through a gateway that is not known."""
    assert not is_public(IPv6Address(CARRIERS[carrier](int(inner))))


@given(st.ip_addresses())
def test_public_addresses_are_global_unicast(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not (address.is_multicast or address.is_reserved or address.is_private or address.is_loopback)
        assert isinstance(address, IPv4Address) or not (address.ipv4_mapped or address.sixtofour or address.teredo)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_hosts_are_allowed(address: str) -> None:
    assert is_public(ip_address(address))


def test_host_is_refused_when_any_of_its_addresses_is_not_public(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OIDC_PRIVATE_ISSUERS = False
    for others in (["10.0.0.1"], ["64:ff9b::a00:1"], ["224.0.0.1"]):
        found = [(0, 0, 0, "", (address, 443)) for address in ["8.8.8.8", *others]]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, found=found, **_kwargs: found)
        with pytest.raises(NotAllowed), OutboundSession() as session:
            session.get("https://issuer.example/")


@pytest.mark.parametrize("private", [True, False])
def test_request_without_tls_to_another_machine_is_refused(settings: Settings, private: bool) -> None:
    settings.OIDC_PRIVATE_ISSUERS = private
    with pytest.raises(NotAllowed), OutboundSession() as session:
        session.get("http://192.0.2.1/")


def test_certificate_must_match_the_host_when_connecting_by_address(settings: Settings, tmp_path: Path) -> None:
    settings.OIDC_PRIVATE_ISSUERS = True
    for name, is_right in (("localhost", True), ("evil.example", False)):
        file = certificate(tmp_path, name)
        with serving(Handler, file) as port, OutboundSession() as session:
            session.verify = str(file)
            if is_right:
                answer = session.get(f"https://localhost:{port}/")
                assert (answer.text, answer.headers["X-Host"]) == ("xx", f"localhost:{port}")
            else:
                with pytest.raises(requests.exceptions.SSLError):
                    session.get(f"https://localhost:{port}/")
            session.verify = True
            with pytest.raises(requests.exceptions.SSLError):
                session.get(f"https://localhost:{port}/")


def test_response_beyond_the_size_limit_is_refused(settings: Settings) -> None:
    settings.OIDC_PRIVATE_ISSUERS = True
    with serving(Endless) as port, OutboundSession() as session, pytest.raises(requests.RequestException):
        session.get(f"http://127.0.0.1:{port}/")
