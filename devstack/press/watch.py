"""A staff member's live feed: a separate, signed-in process.

    python -m devstack.press.watch    with {"base_url","email","password"} as one line on standard input, held open

Each alert message becomes a line of JSON with the time at which it arrived. After a lost connection it resumes from its
cursor, as the board does.
"""

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime

import msgspec
import websockets
from websockets.asyncio.client import connect

from devstack.machine.demo import Person
from devstack.press.cloud import Alert, Cloud, Unreachable

PAUSE_SECONDS = 0.2


class Account(msgspec.Struct, frozen=True):
    """The account to sign in with."""

    base_url: str
    email: str
    password: str


class LiveMessage(msgspec.Struct, frozen=True):
    """The fields used of live feed messages (contracts/live)."""

    type: str
    organization: str | None = None
    organizations: dict[str, int] = msgspec.field(default_factory=dict)
    seq: int = 0
    at: datetime | None = None
    alert: Alert | None = None


class FeedLine(msgspec.Struct, frozen=True):
    """A line of output: `ready` when connected, `unreachable` after a failed attempt, else a feed message."""

    type: str
    received_at: datetime
    at: datetime | None = None
    alert: Alert | None = None


def _write(line: FeedLine) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def watch(account: Account) -> None:
    """Sign in and listen, again after each lost connection."""
    cursors: dict[str, int] = {}
    address = account.base_url.replace("http", "ws", 1) + "/ws/alerts"
    decode = msgspec.json.Decoder(LiveMessage).decode
    while True:
        try:
            with Cloud(account.base_url, Person(account.email, account.password)) as cloud:
                protocols = [websockets.Subprotocol("safesignal.v1"), websockets.Subprotocol(f"bearer.{cloud.access}")]
            async with connect(address, subprotocols=protocols, proxy=None) as socket:
                if cursors:
                    await socket.send(msgspec.json.encode({"type": "resume", "organizations": cursors}).decode())
                async for text in socket:
                    received_at = datetime.now(UTC)
                    message = decode(text)
                    if message.organization is not None:
                        cursors[message.organization] = message.seq
                    cursors |= message.organizations if message.type == "ready" else {}
                    if message.alert is not None or message.type == "ready":
                        _write(FeedLine(message.type, received_at, message.at, message.alert))
        except (Unreachable, OSError, websockets.WebSocketException) as error:
            print(f"not connected: {error}", file=sys.stderr, flush=True)
            _write(FeedLine("unreachable", datetime.now(UTC)))
        await asyncio.sleep(PAUSE_SECONDS)


def _end_with_parent() -> None:
    """Exit when standard input ends, as it does when the parent exits or is killed."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Watch until terminated, or until the parent exits."""
    account = msgspec.json.decode(sys.stdin.buffer.readline(), type=Account)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        asyncio.run(watch(account))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)


if __name__ == "__main__":
    main()
