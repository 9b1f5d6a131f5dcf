"""The relay process."""

import signal
from threading import Thread
from typing import Any

from django.core.management.base import BaseCommand

from apps.common.audit import chain
from apps.common.feed.relay import Relay
from apps.common.observability import tracing
from apps.common.operations import sweeps
from apps.common.startup import finish_loading


class Command(BaseCommand):
    """Publishes committed changes to the live feed, until SIGTERM or SIGINT.

    In other threads it adds entries to the audit chains, and runs the sweeps that no worker has run.
    """

    help = (
        "Publish committed changes from the database to the live feed, and extend the audit chains. Run one; a second"
        " one waits to take over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal stops it."""
        stopped: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: stopped.append(received))
        finish_loading()
        tracing.start("relay")
        chaining = Thread(target=chain.keep_extending, args=(lambda: bool(stopped),), name="chaining")
        chaining.start()
        sweeping = Thread(target=sweeps.keep_sweeping, args=(lambda: bool(stopped),), name="sweeping")
        sweeping.start()
        Relay(lambda: bool(stopped)).run()
        chaining.join()
        sweeping.join()
