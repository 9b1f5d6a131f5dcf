"""A cloud on a local port that follows the contracts and can be made to fail."""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from contracts.validation import problems

Json = dict[str, object]

JUDGED_AT_MOST = 20
"""Maximum events of a request that are validated against the contract, at about a millisecond each."""


class Cloud:
    """`events` are the stored ones in order; `requests` the event ids of each accepted request."""

    def __init__(self, gateway_id: str, gateway_key: ec.EllipticCurvePublicKey) -> None:
        self.gateway_id, self._gateway_key = gateway_id, gateway_key
        self.config_key = ec.generate_private_key(ec.SECP256R1())
        self.configuration: Json | None = None
        self.lock = threading.Lock()
        self.stored: dict[str, Json] = {}
        self.epochs: dict[str, str] = {}
        self.requests: list[list[str]] = []
        self.tokens: set[str] = set()
        self.issued_tokens = 0
        self.misbehave: Callable[[list[Json]], int | None] = lambda _events: None
        self.after_storing: Callable[[list[Json]], int | None] = lambda _events: None
        self.locked: set[str] = set()
        """Alert ids whose events get the result `retry`."""
        self.pause = threading.Event()
        self.sockets: list[ServerConnection] = []
        self.resumed: list[object] = []
        self.epochs_resumed: list[object] = []
        self.on_resume: list[Json] = []
        self._lines: set[asyncio.StreamWriter] = set()
        self._jtis: set[str] = set()
        self._http: ThreadingHTTPServer | None = None
        self._ws: Server | None = None
        self._front: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[Json]:
        with self.lock:
            return list(self.stored.values())

    def of_kind(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["kind"] == kind]

    async def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        self._ws = await serve(self._talk, "127.0.0.1", 0, select_subprotocol=_select)
        self._front = await asyncio.start_server(self._splice, "127.0.0.1", self.port)
        self.port = int(self._front.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop like a machine that is down: the port refuses connections."""
        if self._front is not None and self._ws is not None and self._http is not None:
            self._front.close()
            for writer in self._lines:
                writer.transport.abort()
            self._ws.close()
            await self._ws.wait_closed()
            await asyncio.to_thread(self._http.shutdown)
            self._http.server_close()
            self._front = None

    async def send_message(self, message: Json) -> None:
        assert not problems("edge_downlink", json.dumps(message).encode())
        for socket in self.sockets:
            await socket.send(json.dumps(message))

    async def _talk(self, socket: ServerConnection) -> None:
        offered = socket.request.headers["Sec-WebSocket-Protocol"] if socket.request else ""
        if not any(f"bearer.{token}" in offered for token in self.tokens):
            await socket.close(4401)
            return
        with suppress(ConnectionClosed):
            resume = json.loads(await socket.recv())
            self.resumed.append(resume["cursor"])
            self.epochs_resumed.append(resume.get("epoch"))
            for message in self.on_resume:
                await socket.send(json.dumps(message))
            self.sockets.append(socket)
            await socket.wait_closed()
            self.sockets.remove(socket)

    async def _splice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve both protocols on one port: forward WebSocket requests to one server, all others to the other."""
        assert self._http is not None and self._ws is not None
        first = await reader.read(65536)
        port = int(
            next(iter(self._ws.sockets)).getsockname()[1]
            if first.startswith(b"GET /ws/edge ")
            else self._http.server_address[1]
        )
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        to_server.write(first)
        self._lines |= {writer, to_server}
        await asyncio.gather(_pump(reader, to_server), _pump(from_server, writer))
        self._lines -= {writer, to_server}

    def token(self, form: dict[str, list[str]]) -> tuple[int, Json]:
        try:
            claims = jwt.decode(
                form["client_assertion"][0],
                self._gateway_key,
                algorithms=["ES256"],
                audience=f"{self.url}/api/v1/oauth/token",
                options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"]},
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            return 401, {"code": "invalid_client"}
        good = claims["iss"] == claims["sub"] == self.gateway_id and claims["exp"] - claims["iat"] <= 60
        with self.lock:
            if not good or claims["jti"] in self._jtis:
                return 401, {"code": "invalid_client"}
            self._jtis.add(claims["jti"])
            self.issued_tokens += 1
            token = f"a.{uuid.uuid4().hex}.c"
            self.tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 600}

    def accept(self, body: Json) -> tuple[int, Json]:
        events = msgspec.convert(body["events"], list[Json])
        if len(events) > 500:
            return 413, {"code": "too_many_events"}
        status = self.misbehave(events)
        if status is not None:
            return status, {"code": "requested_by_test"}
        with self.lock:
            epoch = str(body["epoch"])
            self.requests.append([str(event["event_id"]) for event in events])
            judged = len(events) <= JUDGED_AT_MOST
            results = [self._store(epoch, event, judged=judged) for event in events]
            watermark = max((id_ for id_, of in self.epochs.items() if of == epoch), default=None)
        status = self.after_storing(events)
        if status is not None:
            return status, {"code": "requested_by_test"}
        return 200, {"watermark": watermark, "results": results}

    def _store(self, epoch: str, event: Json, *, judged: bool) -> Json:
        event_id = str(event["event_id"])
        errors = problems("edge_event", json.dumps(event).encode()) if judged else []
        if errors:
            return {"event_id": event_id, "result": "quarantined", "reason": "invalid", "detail": errors[0]}
        if event.get("alert_id") in self.locked:
            return {"event_id": event_id, "result": "retry", "reason": "locked", "detail": None}
        result = "repeat" if event_id in self.stored else "stored"
        self.stored.setdefault(event_id, event)
        self.epochs.setdefault(event_id, epoch)
        return {"event_id": event_id, "result": result, "reason": None, "detail": None}

    def forget(self, event_ids: set[str]) -> None:
        """Lose these events, as if restored from an earlier backup."""
        with self.lock:
            for event_id in event_ids:
                self.stored.pop(event_id, None)
                self.epochs.pop(event_id, None)

    def signed_configuration(self) -> bytes:
        payload = json.dumps(self.configuration).encode()
        headers = {"typ": "ss-config+jwt"}
        return jwt.PyJWS().encode(payload, self.config_key, algorithm="ES256", headers=headers).encode()


def _handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/v1/oauth/token":
                self._answer(*cloud.token(parse_qs(body.decode())))
            elif not self._known():
                self._answer(401, {"code": "invalid_token"})
            else:
                self._answer(*cloud.accept(json.loads(body)))

        def do_GET(self) -> None:
            if not self._known():
                self._answer(401, {"code": "invalid_token"})
            elif cloud.configuration is None:
                self._answer(404, {"code": "not_found"})
            elif self.headers["If-None-Match"] == f'"{cloud.configuration["version"]}"':
                self.send_response(304)
                self.end_headers()
            else:
                self._send(200, "application/jose", cloud.signed_configuration())

        def _known(self) -> bool:
            return self.headers["Authorization"].removeprefix("Bearer ") in cloud.tokens

        def _answer(self, status: int, value: Json) -> None:
            self._send(status, "application/json", json.dumps(value).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _select(_connection: ServerConnection, _offered: object) -> Subprotocol:
    return Subprotocol("safesignal.v1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
