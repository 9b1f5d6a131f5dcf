"""The simulated button of `./dev up`, a process of its own: `python -m devstack.button`.

Its key is a Unix socket: a line `{"pattern":"long","key":null}` presses it, and two lines come back, one for the press
and one when the gateway has stored it.
"""

import asyncio
import contextlib
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from devstack.pki import button_identity
from devstack.simulated import SimulatedButton


class Hand(msgspec.Struct, frozen=True):
    """What the hand does."""

    pattern: str
    key: int | None = None


class Felt(msgspec.Struct, frozen=True):
    """What the hand sees: `pressed`, then `stored`."""

    event: str
    inst: str
    seq: int
    at: datetime


async def _pressed_by_hand(button: SimulatedButton, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, msgspec.DecodeError):
        hand = msgspec.json.decode(await reader.readline(), type=Hand)
        waiting = button.press(hand.pattern, hand.key)
        seq = waiting.press.seq
        writer.write(msgspec.json.encode(Felt("pressed", button.inst, seq, waiting.press.at)) + b"\n")
        await writer.drain()
        stored_at = await waiting.stored
        writer.write(msgspec.json.encode(Felt("stored", button.inst, seq, stored_at)) + b"\n")
        await writer.drain()
    writer.close()


def _show(line: str) -> None:
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} LED {line}", flush=True)


async def live() -> None:
    """Be a button until SIGTERM or SIGINT."""
    pki = Path(os.environ["SAFESIGNAL_BUTTON_PKI"])
    socket = Path(os.environ["SAFESIGNAL_BUTTON_SOCKET"])
    button = SimulatedButton(
        button_identity(pki, os.environ["SAFESIGNAL_BUTTON_DEVICE"]),
        Path(os.environ["SAFESIGNAL_BUTTON_STATE_DIR"]),
        int(os.environ["SAFESIGNAL_BUTTON_MQTT_PORT"]),
        pki / "root.pem",
        _show,
    )
    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(lambda reader, writer: _pressed_by_hand(button, reader, writer), socket)
    running = asyncio.create_task(button.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await running


def main() -> None:
    """Run it."""
    asyncio.run(live())


if __name__ == "__main__":
    main()
