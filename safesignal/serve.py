"""Start the web server: `python -m safesignal.serve ROLE --port 8000`. Threads and database connections come from the
same settings, whatever the role.

    one        everything, in one process (./dev up)
    gateways   what gateways send (production; the ingress routes by path as `lanes.py` does)
    alarms     people who see and answer alarms
    live       what stays open: WebSockets and the event stream
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
"""Open connections of one worker: far more than requests under way, since half-sent ones hold nothing else."""
LOWER_PRIORITY: Final = 5
"""Added to the nice value of pages: where cores are short, alarms get three quarters of them (sched(7))."""


STOP_SECONDS: Final = 10
"""After this a worker that was told to stop is killed: one that is told while it starts does not hear it."""


ROLES: Final[Mapping[str, int]] = {"one": 0, "gateways": 0, "alarms": 0, "live": 0, "pages": LOWER_PRIORITY}
"""What is added to the nice value of each. They differ by what is routed to them, and take threads and connections for
that alone.
"""


def _is_taken(host: str, port: int) -> bool:
    """Whether something listens there. Granian sets SO_REUSEPORT (socket(7)), so it would start all the same, and
    every second client would be answered by another server than its own.
    """
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="safesignal.serve", description="Start the web server in one role.")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    if _is_taken(arguments.host, arguments.port):
        parser.error(f"{arguments.host}:{arguments.port} is taken: stop what listens there, or give another --port.")
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
