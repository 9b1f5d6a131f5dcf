"""`manage.py invite`: offer a role in an organization to an e-mail address."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.accounts.command_line import address
from apps.accounts.models import MembershipScope, Role
from apps.accounts.people import invitations
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM
from apps.common.db.scope import rolled_back_if, tenant_scope
from apps.common.operations.commands import REFUSED, add_dry_run, refusals_in_words
from apps.tenancy import selectors
from apps.tenancy.command_line import add_organization, add_reason, named_organization, record_command
from apps.tenancy.models import Site
from apps.tenancy.places.place_index import NoSuchPlace, PlaceIndex


class Command(BaseCommand):
    """Invite one person; use an import for many."""

    help = "Invite a person to an organization. The e-mail is sent once the invitation is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add address, organization, role, place, reason and dry run."""
        parser.add_argument("email", type=address)
        add_organization(parser)
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument("--site", help="Limit the role to this site.")
        parser.add_argument("--building", help="Limit the role to this building of the site.")
        add_reason(parser)
        add_dry_run(parser)

    def handle(
        self,
        *args: Any,
        email: str,
        organization: str,
        role: str,
        site: str | None,
        building: str | None,
        reason: str,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Invite the person."""
        if building and not site:
            raise CommandError("--building needs --site.")
        organization_id = named_organization(organization)
        with refusals_in_words(), tenant_scope([organization_id]), rolled_back_if(dry_run):
            selectors.existing_organization(organization_id)
            held = _held(organization_id, Role(role), site, building)
            record_command("invite", organization_id=organization_id, why=reason)
            invitations.invite(
                actor=SYSTEM, organization_id=organization_id, email=email, held=held, now=timezone.now()
            )
        self.stdout.write(f"{email} could be invited." if dry_run else f"An invitation goes to {email}.")


def _held(organization_id: UUID, role: Role, site: str | None, building: str | None) -> RoleAt:
    if site is None:
        return RoleAt(role)
    try:
        place = PlaceIndex(organization_id).place(site, building)
    except NoSuchPlace as error:
        raise CommandError(f"{error.column}: {error}", returncode=REFUSED) from None
    ids = frozenset({place.id})
    if isinstance(place, Site):
        return RoleAt(role, MembershipScope.PLACES, sites=ids)
    return RoleAt(role, MembershipScope.PLACES, buildings=ids)
