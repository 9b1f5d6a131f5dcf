"""The last step of a restore from a backup."""

from typing import Any

from django.core.management.base import BaseCommand

from apps.common import feed
from apps.common.db.scope import system_scope


class Command(BaseCommand):
    """Makes all live clients and gateways read their state again."""

    help = (
        "Run it after the database was restored from a backup, a snapshot or a copied folder: every connected screen,"
        " app and gateway then reads its state again. It is harmless at any other time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Renew the epoch."""
        with system_scope():
            feed.renew_epoch(reason="renewed by an operator")
        self.stdout.write("The feed has a new epoch: every connected client reads its state again.")
