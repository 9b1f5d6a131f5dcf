"""Start the web server: `python -m safesignal.serve ROLE --port 8000`. Threads and database connections come from the
same settings, whatever the role.

    one        everything, in one process (./dev up)
    gateways   what gateways send (production; the ingress routes by path as `lanes.py` does)
    alarms     people who see and answer alarms
    live       what stays open: WebSockets and the event stream
    pages      everything else, at a lower priority than the others
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from granian import Granian
from granian.constants import Interfaces

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")

from django.conf import settings

CONNECTIONS: Final = 16_384
"""Open connections of one worker: far more than requests under way, since half-sent ones hold nothing else."""
LOWER_PRIORITY: Final = 5
"""Added to the nice value of pages: where cores are short, alarms get three quarters of them (sched(7))."""


STOP_SECONDS: Final = 10
"""After this a worker that was told to stop is killed: one that is told while it starts does not hear it."""


@dataclass(frozen=True)
class Role:
    """How one process serves; `threads` is None where `asgi.py` has lanes of its own."""

    threads: int | None = None
    niceness: int = 0

    @property
    def interface(self) -> Interfaces:
        """What stays open needs ASGI; all else is faster as WSGI."""
        return Interfaces.ASGI if self.threads is None else Interfaces.WSGI


ROLES: Final[Mapping[str, Role]] = {
    "one": Role(),
    "live": Role(),
    "gateways": Role(threads=settings.GATEWAY_THREADS),
    "alarms": Role(threads=settings.ALARM_THREADS),
    "pages": Role(threads=settings.PAGE_THREADS, niceness=LOWER_PRIORITY),
}


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="safesignal.serve", description="Start the web server in one role.")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    role = ROLES[arguments.role]
    os.nice(role.niceness)
    Granian(
        f"safesignal.{role.interface.value}:application",
        address=arguments.host,
        port=arguments.port,
        interface=role.interface,
        workers=arguments.workers,
        blocking_threads=role.threads,
        websockets=role.interface is Interfaces.ASGI,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
