"""A small OpenID Connect issuer over HTTP on a free port, which signs people in as configured."""

import itertools
import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

KEYS = 4
"""Number of keys per run, since creating one takes longer than most tests. Concurrent issuers have different keys."""
_numbers = itertools.count()
CLIENT, SECRET = "safesignal-client", "a secret: with a colon"


@cache
def _key(number: int) -> rsa.RSAPrivateKey:  # cached by number
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Issuer:
    """One issuer. `person` holds claims of who is signed in, `changed` overrides claims of a token; None omits one."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=lambda: {"kid": "key-1"})
    discovery: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    algorithm: str = "RS256"
    signing_key: Any = None
    requests: dict[str, dict[str, str]] = field(default_factory=dict)
    """Authorization requests by the code that answers them."""
    down: bool = False
    redirect_discovery_to: str = ""

    def __post_init__(self) -> None:
        self.signing_key = _key(next(_numbers) % KEYS)
        self.keys = [{**RSAAlgorithm.to_jwk(self.signing_key.public_key(), as_dict=True), "kid": "key-1", "use": "sig"}]

    def sign_in(self, address: str) -> dict[str, str]:
        """Sign in at the issuer's page and return the query of the redirect back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert {"openid", "email", "profile"} == set(asked["scope"].split())
        assert asked["code_challenge_method"] == "S256"
        code = token_urlsafe(16)
        self.requests[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, client: tuple[str, str], form: dict[str, str]) -> tuple[int, object]:
        """The token endpoint: checks what a real one checks (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
        asked = self.requests.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if client != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked)}

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.changed,
        }
        payload = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(payload, self.signing_key, algorithm=self.algorithm, headers=self.headers)

    def answer(self, path: str) -> tuple[int, object]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                **self.discovery,
            }
        return (200, {"keys": self.keys}) if path == "/keys" else (404, {})


@contextmanager
def running() -> Iterator[Issuer]:
    """An issuer that listens until the end of the block."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if issuer.redirect_discovery_to:
                self.send_response(302)
                self.send_header("Location", issuer.redirect_discovery_to)
                self.end_headers()
                return
            self._send(*issuer.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            kind, _, value = self.headers.get("Authorization", "").partition(" ")
            name, _, secret = b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
            self._send(*issuer.token((unquote(name), unquote(secret)), form))

        def _send(self, status: int, document: object) -> None:
            status = 503 if issuer.down else status
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
