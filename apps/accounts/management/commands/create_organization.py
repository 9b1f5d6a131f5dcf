"""`manage.py create_organization`: create a tenant and invite its first administrator."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts.command_line import address
from apps.accounts.models import Role
from apps.accounts.people import invitations
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import rolled_back_if, tenant_scope
from apps.common.operations.commands import REFUSED, add_dry_run, refusals_in_words
from apps.tenancy import services
from apps.tenancy.api.serializers import OrganizationSerializer


class Command(BaseCommand):
    """Create both in one transaction; the e-mail is sent after commit."""

    help = "Create an organization and invite its first administrator, who then invites everyone else."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add name, slug, administrator and dry run."""
        parser.add_argument("name", help="Full name, such as Lincoln High School.")
        parser.add_argument("--slug", help="For URLs: letters, digits, hyphens. Derived from the name if left out.")
        parser.add_argument("--admin", required=True, type=address, metavar="EMAIL", help="The first administrator.")
        add_dry_run(parser)

    def handle(self, *args: Any, name: str, slug: str | None, admin: str, dry_run: bool, **options: Any) -> None:
        """Create the organization and print its id."""
        body = OrganizationSerializer(data={"name": name, "slug": slug or slugify(name)})
        if not body.is_valid():
            raise CommandError(
                "\n".join(f"{field}: {' '.join(map(str, reasons))}" for field, reasons in body.errors.items()),
                returncode=REFUSED,
            )
        organization_id = new_id()
        with refusals_in_words(), tenant_scope([organization_id]), rolled_back_if(dry_run):
            made = services.create_organization(
                actor=SYSTEM, organization_id=organization_id, name=name, slug=body.validated_data["slug"]
            )
            invitations.invite(
                actor=SYSTEM, organization_id=organization_id, email=admin, held=RoleAt(Role.ADMIN), now=timezone.now()
            )
        if dry_run:
            self.stdout.write(f"{name} could be made as {made.slug}, and {admin} be invited.")
        else:
            self.stdout.write(f"{organization_id} {made.slug}\nAn invitation goes to {admin}.")
