"""One attack for `press --under-attack`, in a separate process, until its standard input ends.

Each connection pauses for RTT_SECONDS between requests, like one from another machine.
"""

import asyncio
import contextlib
import itertools
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks import child
from devstack.machine.paths import layout
from devstack.machine.pki import button_identity
from devstack.simulator.simulated import SimulatedButton

RTT_SECONDS: Final = 0.01
ANSWER_SECONDS: Final = 30.0
SIGN_INS: Final = 40
LARGE: Final = 8
UNKNOWN_KEYS: Final = 190_000
SLOW: Final = 64
EXPORTS: Final = 2
FLOOD_SECONDS: Final = 0.01
"""Delay between two presses of the flooding device."""


class Attack(msgspec.Struct, frozen=True):
    """`kind` is a key of ATTACKS; `token` is an admin's; `device` floods the broker at `mqtt_port`."""

    kind: str
    base_url: str
    token: str
    organization: str
    device: str
    mqtt_port: int


class Tries(msgspec.Struct, frozen=True):
    """The number of requests or presses, and of those whose response was not 503."""

    tried: int
    answered: int


class Counts:
    """Running counts of one attack."""

    def __init__(self) -> None:
        self.tried = 0
        self.answered = 0


Loop = Callable[[Attack, Counts, int], Awaitable[None]]


def _head(attack: Attack, method: str, path: str, length: int, *, known: bool = False) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(attack.base_url).netloc}"]
    lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    lines += [f"Authorization: Bearer {attack.token}"] if known else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


async def _request(attack: Attack, counts: Counts, head: bytes, body: bytes) -> None:
    """Send a request and read the response to its end."""
    server = urlsplit(attack.base_url)
    counts.tried += 1
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(server.hostname, server.port)
            try:
                writer.write(head)
                writer.write(body)
                status = await reader.readuntil(b"\r\n")
                counts.answered += b" 503 " not in status
                while await reader.read(1 << 16):
                    pass
            finally:
                writer.close()
    await asyncio.sleep(RTT_SECONDS)


async def sign_in(attack: Attack, counts: Counts, number: int) -> None:
    """Sign in with wrong passwords for unknown people."""
    for _ in itertools.count():
        credentials = {"email": f"{secrets.token_hex(8)}@school.example", "password": "wrong-" + secrets.token_hex(8)}
        body = msgspec.json.encode(credentials)
        await _request(attack, counts, _head(attack, "POST", "/api/v1/auth/login", len(body)), body)


async def large_body(attack: Attack, counts: Counts, number: int) -> None:
    """Send thousands of unknown keys: half of the connections to the sign-in, half with a token to a list."""
    body = msgspec.json.encode({f"k{key}": 1 for key in range(UNKNOWN_KEYS)})
    known = bool(number % 2)
    path = f"/api/v1/organizations/{attack.organization}/invitations" if known else "/api/v1/auth/login"
    while True:
        await _request(attack, counts, _head(attack, "POST", path, len(body), known=known), body)


async def slow_body(attack: Attack, counts: Counts, number: int) -> None:
    """Send half of a body and wait: a third to the sign-in, a third as a gateway, a third to acknowledge."""
    paths = ("/api/v1/auth/login", "/api/v1/edge/events", f"/api/v1/alerts/{attack.organization}/acknowledge")
    while True:
        await _request(
            attack, counts, _head(attack, "POST", paths[number % len(paths)], 1000, known=True), b'{"email":'
        )


async def export(attack: Attack, counts: Counts, number: int) -> None:
    """Export all people, devices and places of the school, repeatedly."""
    for kind in itertools.cycle(("people", "devices", "places")):
        path = f"/api/v1/organizations/{attack.organization}/exports/{kind}"
        await _request(attack, counts, _head(attack, "GET", path, 0, known=True), b"")


async def flood(attack: Attack, counts: Counts, number: int) -> None:
    """Press one button a hundred times a second, whether confirmed or not."""
    place = layout()
    identity = button_identity(place.pki, attack.device)
    button = SimulatedButton(identity, place.buttons, attack.mqtt_port, place.pki / "root.pem", lambda _: None)
    running = asyncio.create_task(button.run())
    await button.online.wait()
    for press in itertools.count():
        waiting = button.press(("short", "long", "triple")[press % 3], None)
        counts.tried += 1
        await asyncio.sleep(FLOOD_SECONDS)
        counts.answered += waiting.stored.done()
        if running.done():
            return


ATTACKS: Final[Mapping[str, tuple[int, Loop]]] = {
    "wrong sign-ins": (SIGN_INS, sign_in),
    "large bodies": (LARGE, large_body),
    "slow bodies": (SLOW, slow_body),
    "exports": (EXPORTS, export),
    "flooding device": (1, flood),
}
"""Number of parallel connections, and the loop of each."""


async def _attack(attack: Attack, counts: Counts) -> None:
    number, loop = ATTACKS[attack.kind]
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    tasks = [asyncio.ensure_future(loop(attack, counts, one)) for one in range(number)]
    await ended
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Wait for the start signal, attack until the input ends, and report."""
    attack, counts = child.job(Attack), Counts()
    child.ready()
    uvloop.run(_attack(attack, counts))
    child.say(msgspec.json.encode(Tries(counts.tried, counts.answered)))
