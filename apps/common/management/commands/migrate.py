"""Apply migrations, and say so when a changed SQL function has none yet."""

from django.core.management.commands import migrate

from apps.common.db.functions import FunctionAutodetector


class Command(migrate.Command):
    """Django's command; it must have the autodetector of `makemigrations`."""

    autodetector = FunctionAutodetector
