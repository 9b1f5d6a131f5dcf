"""Clients of the live feed, such as apps, browsers and gateways; messages are validated against the contract."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin, Subprotocol

from contracts.validation import problems
from tests.kit.patience import WAIT_SECONDS
from tests.kit.server import Server

SECONDS = WAIT_SECONDS
CHECKED = 100


@dataclass
class Listener:
    """One open socket."""

    socket: Connection
    contract: str
    received: int = 0

    def next(self) -> Any:
        """Return the next message other than a ping; only the first 100 are validated, because validation is slow."""
        while True:
            text = self.socket.recv(timeout=SECONDS)
            assert isinstance(text, str)
            self.received += 1
            if self.received <= CHECKED:
                assert problems(self.contract, text.encode()) == [], text
            message = json.loads(text)
            if message["type"] != "ping":
                return message

    def until_ready(self) -> list[Any]:
        """Return all messages up to and including `ready`."""
        messages = [self.next()]
        while messages[-1]["type"] != "ready":
            messages.append(self.next())
        return messages

    def resume(self, organizations: Mapping[UUID, int], epoch: str | None = None) -> list[Any]:
        """Send `resume` with the last known positions, as a person's client does."""
        names = {str(organization): seq for organization, seq in organizations.items()}
        return self.say({"type": "resume", "organizations": names, "epoch": epoch})

    def start(self) -> Any:
        """Start listening at the head of the feed; return `ready`."""
        (ready,) = self.say({"type": "resume", "organizations": {}})
        return ready

    def say(self, message: object) -> list[Any]:
        """Send a first message; return all messages up to `ready`."""
        self.socket.send(json.dumps(message))
        return self.until_ready()

    def close_code(self, seconds: float = SECONDS) -> int:
        """Return the code that the server closes with; skip earlier messages."""
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                self.socket.recv(timeout=seconds)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


@contextmanager
def listening(
    server: Server,
    token: str | None,
    *,
    path: str = "/ws/alerts",
    headers: Mapping[str, str] | None = None,
    origin: str | None = None,
) -> Iterator[Listener]:
    """Open a socket that the server accepts."""
    offered = [Subprotocol("safesignal.v1"), *([Subprotocol(f"bearer.{token}")] if token is not None else [])]
    with connect(
        f"{server.socket_url}{path}",
        subprotocols=offered,
        additional_headers=dict(headers or {}),
        origin=Origin(origin) if origin else None,
        open_timeout=SECONDS,
        ping_timeout=SECONDS,
    ) as socket:
        assert socket.subprotocol == "safesignal.v1"
        yield Listener(socket, "live" if path == "/ws/alerts" else "edge_downlink")
