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
    """Carries committed changes to the live feed, until SIGTERM or SIGINT.

    Beside it, it seals the audit trail and does the sweeps that no worker does.
    """

    help = (
        "Carry committed changes from the database to the live feed, and seal the audit trail. Run one; a second one"
        " waits to take over."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        stopped: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: stopped.append(received))
        finish_loading()
        tracing.start("relay")
        sealing = Thread(target=chain.keep_sealing, args=(lambda: bool(stopped),), name="sealing")
        sealing.start()
        sweeping = Thread(target=sweeps.keep_sweeping, args=(lambda: bool(stopped),), name="sweeping")
        sweeping.start()
        Relay(lambda: bool(stopped)).run()
        sealing.join()
        sweeping.join()
