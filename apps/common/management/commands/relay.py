"""The relay process."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from apps.common.relay import Relay


class Command(BaseCommand):
    """Carries committed changes to the live feed; runs until it gets SIGTERM or SIGINT."""

    help = "Carry committed changes from the database to the live feed. Run one; a second one waits to take over."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop."""
        stopped: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: stopped.append(received))
        Relay(lambda: bool(stopped)).run()
