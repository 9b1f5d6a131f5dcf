"""Apply migrations, and report changed SQL functions that have no migration yet."""

from django.core.management.commands import migrate

from apps.common.db.functions import FunctionAutodetector


class Command(migrate.Command):
    """Django's command with the autodetector of `makemigrations`."""

    autodetector = FunctionAutodetector
