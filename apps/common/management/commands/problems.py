"""`manage.py problems`: the list of all problem codes."""

from django.core.management.base import BaseCommand
from django.urls import get_resolver

from apps.common.http.problem_catalogue import markdown


class Command(BaseCommand):
    """Prints docs/problems.md: redirect it there after a problem was added or changed."""

    help = "Print docs/problems.md, the list of all problem codes."
    requires_system_checks = []

    def handle(self, *args: object, **options: object) -> None:
        """Print the document."""
        get_resolver().url_patterns  # noqa: B018
        self.stdout.write(markdown(), ending="")
