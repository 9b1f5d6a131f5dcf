"""The simulated button of `./dev up`, run as `python -m devstack.simulator.button`.

Its key is a Unix socket: a line `{"pattern":"long","key":null}` presses it, and it returns two lines, one for the press
and one when the gateway has stored it.
"""

import asyncio
import contextlib
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from devstack.machine.pki import button_identity
from devstack.simulator.simulated import SimulatedButton


class Gesture(msgspec.Struct, frozen=True):
    """A gesture on a button: its pattern and key."""

    pattern: str
    key: int | None = None


class Feedback(msgspec.Struct, frozen=True):
    """Feedback of the button: `pressed`, then `stored`."""

    event: str
    inst: str
    seq: int
    at: datetime


async def _serve_key(button: SimulatedButton, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, msgspec.DecodeError):
        gesture = msgspec.json.decode(await reader.readline(), type=Gesture)
        waiting = button.press(gesture.pattern, gesture.key)
        seq = waiting.press.seq
        writer.write(msgspec.json.encode(Feedback("pressed", button.inst, seq, waiting.press.at)) + b"\n")
        await writer.drain()
        stored_at = await waiting.stored
        writer.write(msgspec.json.encode(Feedback("stored", button.inst, seq, stored_at)) + b"\n")
        await writer.drain()
    writer.close()


def _show(line: str) -> None:
    print(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} LED {line}", flush=True)


async def run_button() -> None:
    """Run a button until SIGTERM or SIGINT."""
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
    server = await asyncio.start_unix_server(lambda reader, writer: _serve_key(button, reader, writer), socket)
    running = asyncio.create_task(button.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await running


def main() -> None:
    """Run the button."""
    asyncio.run(run_button())


if __name__ == "__main__":
    main()
