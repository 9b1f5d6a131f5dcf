"""How commands name an organization."""

from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from apps.common.commands import REFUSED
from apps.common.scope import system_scope
from apps.tenancy.models import Organization


def add_organization(parser: CommandParser) -> None:
    """`--organization`."""
    parser.add_argument("--organization", required=True, metavar="SLUG", help="The organization's slug, or its id.")


def named_organization(named: str) -> UUID:
    """The id of the organization of this slug or id, before anything of it is in scope. Raises CommandError."""
    try:
        return UUID(named)
    except ValueError:
        pass
    if "system" not in connections.databases:
        raise CommandError("Set DATABASE_SYSTEM_URL, or give the organization's id.", returncode=REFUSED)
    with system_scope():
        found = Organization.objects.filter(slug=named.lower()).values_list("id", flat=True).first()
    if found is None:
        raise CommandError(f"There is no organization {named}.", returncode=REFUSED)
    return found
