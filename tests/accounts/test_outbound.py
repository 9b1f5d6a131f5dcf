"""Where we go at the word of a school's administrator, and where not."""

import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from apps.accounts.outbound import LARGEST_ANSWER, NotAllowed, OutboundSession


class Handler(BaseHTTPRequestHandler):
    size = 2

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Host", self.headers["Host"])
        self.end_headers()
        for _ in range(self.size):
            self.wfile.write(b"x")

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Endless(Handler):
    size = LARGEST_ANSWER + 1


def certificate(folder: Path, name: str) -> Path:
    """A self-signed one for this name, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
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
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
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
    ],
)
def test_what_is_not_public_is_not_asked(settings: Settings, host: str) -> None:
    settings.OIDC_PRIVATE_ISSUERS = False
    with pytest.raises(NotAllowed), OutboundSession() as session:
        session.get(f"https://{host}/")


@pytest.mark.parametrize("private", [True, False])
def test_without_tls_nobody_but_this_machine_is_asked(settings: Settings, private: bool) -> None:
    settings.OIDC_PRIVATE_ISSUERS = private
    with pytest.raises(NotAllowed), OutboundSession() as session:
        session.get("http://192.0.2.1/")


def test_a_certificate_must_be_the_hosts_though_the_connection_goes_to_an_address(
    settings: Settings, tmp_path: Path
) -> None:
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


def test_an_endless_answer_is_not_read_to_its_end(settings: Settings) -> None:
    settings.OIDC_PRIVATE_ISSUERS = True
    with serving(Endless) as port, OutboundSession() as session, pytest.raises(requests.RequestException):
        session.get(f"http://127.0.0.1:{port}/")
