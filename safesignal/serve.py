"""Start the web server: `python -m safesignal.serve ROLE --port 8000`. Threads and database connections come from the
same settings, whatever the role.

    one        everything, in one process (./dev up)
    gateways   requests of gateways (production; the ingress routes by path like `lanes.py`)
    alarms     requests of people who read and answer alarms
    live       long-lived connections: WebSockets and the event stream
    pages      everything else, at a lower priority than the others
"""

import argparse
import errno
import os
import socket
from collections.abc import Mapping
from typing import Final

from granian import Granian
from granian.constants import Interfaces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")

CONNECTIONS: Final = 16_384
"""Open connections of one worker: far more than running requests, since half-sent ones use nothing else."""
LOWER_PRIORITY: Final = 5
"""Added to the nice value of pages: if there are too few cores, alarms get three quarters of them (sched(7))."""


STOP_SECONDS: Final = 10
"""Time after which a stopping worker is killed: a worker that is starting ignores the request to stop."""


ROLES: Final[Mapping[str, int]] = {"one": 0, "gateways": 0, "alarms": 0, "live": 0, "pages": LOWER_PRIORITY}
"""Increments of the nice value by role. Roles differ in the requests routed to them, and use threads and connections
for those only.
"""


def _is_in_use(host: str, port: int) -> bool:
    """Return whether another server listens on this port.

    Granian sets SO_REUSEPORT (socket(7)), so it would start anyway, and the other server would get every second client.
    """
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="safesignal.serve", description="Start the web server in one role.")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    if _is_in_use(arguments.host, arguments.port):
        parser.error(f"{arguments.host}:{arguments.port} is in use: stop the other server, or give another --port.")
    os.nice(ROLES[arguments.role])
    Granian(
        "safesignal.asgi:application",
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.ASGI,
        workers=arguments.workers,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
