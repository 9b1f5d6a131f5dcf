"""Write migrations for changed SQL functions, as Django does for changed models."""

from django.core.management.commands import makemigrations

from apps.common.db.functions import FunctionAutodetector


class Command(makemigrations.Command):
    """Django's command, which finds changed functions too."""

    help = "Creates migrations for changed models, and for SQL functions whose file changed."
    autodetector = FunctionAutodetector
