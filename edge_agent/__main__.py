"""`python -m edge_agent`: run the gateway of a building."""

import argparse
import asyncio
import fcntl
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from edge_agent import __version__, agent, logs
from edge_agent.settings import PREFIX, Settings, SettingsError

EPILOG = f"""
environment, all required:
  {PREFIX}CLOUD_URL               https://… of the cloud
  {PREFIX}GATEWAY_ID              this gateway's UUID
  {PREFIX}KEY_FILE                PEM, P-256: signs this gateway's requests for tokens
  {PREFIX}CONFIG_PUBLIC_KEY_FILE  PEM, P-256: proves the configuration
  {PREFIX}STATE_DIR               directory for presses, events and the configuration
  {PREFIX}MQTT_HOST _MQTT_PORT    the building's broker
  {PREFIX}MQTT_CA _MQTT_CERT _MQTT_KEY   PEM files: the broker's CA, and this gateway's certificate and key

exit status: 0 stopped by a signal, 1 already running in STATE_DIR, 2 invalid settings
"""


def main(arguments: list[str] | None = None) -> int:
    """Read the settings and run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="edge_agent",
        description=str(__doc__),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="validate the settings and exit")
    parser.add_argument("--verbose", action="store_true", help="log debug messages")
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    try:
        settings = Settings.read()
    except SettingsError as error:
        sys.stderr.write(f"edge_agent: {error}\n")
        return 2
    if options.check:
        sys.stdout.write("edge_agent: the settings are valid\n")
        return 0
    logs.set_up(logging.DEBUG if options.verbose else logging.INFO)
    lock = _lock(settings.state_dir)
    if lock is None:
        sys.stderr.write(f"edge_agent: another instance is running in {settings.state_dir}\n")
        return 1
    gc.freeze()  # loaded objects live as long as the process, so later collections need not visit them
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await agent.run(settings, stop)


def _lock(folder: Path) -> int | None:
    """Lock the state directory until the process ends: the descriptor, None if another process holds the lock, or -1 if
    the directory cannot be written, which must not keep the gateway from starting."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        logging.getLogger("edge_agent").error("the state directory cannot be written", extra={"reason": str(error)})
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


if __name__ == "__main__":
    sys.exit(main())
