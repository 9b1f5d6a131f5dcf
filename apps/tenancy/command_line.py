"""Arguments of commands that work in one organization."""

from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from apps.common import audit
from apps.common.access import SYSTEM
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.operations.commands import REFUSED, reason
from apps.tenancy.audit_actions import AuditAction
from apps.tenancy.models import Organization


def add_organization(parser: CommandParser) -> None:
    """Add `--organization`."""
    parser.add_argument("--organization", required=True, metavar="SLUG", help="The organization's slug, or its id.")


def named_organization(named: str, *, returncode: int = REFUSED) -> UUID:
    """Return the id of the organization with this slug or id, outside of its scope.

    Raises CommandError, with `returncode`, if there is none.
    """
    try:
        found = _existing(UUID(named))
    except ValueError:
        found = _of_slug(named, returncode)
    if found is None:
        raise CommandError(f"There is no organization {named}.", returncode=returncode)
    return found


def _existing(organization_id: UUID) -> UUID | None:
    with tenant_scope([organization_id]):
        return Organization.objects.filter(id=organization_id).values_list("id", flat=True).first()


def _of_slug(named: str, returncode: int) -> UUID | None:
    if "system" not in connections.databases:
        raise CommandError("Set DATABASE_SYSTEM_URL, or give the organization's id.", returncode=returncode)
    with system_scope():
        return Organization.objects.filter(slug=named.lower()).values_list("id", flat=True).first()


def add_reason(parser: CommandParser) -> None:
    """Add `--reason`, recorded for the organization: a command counts as a visit by the platform."""
    parser.add_argument(
        "--reason", required=True, type=reason, help="Why; for the organization's audit trail. No personal data."
    )


def record_command(command: str, *, organization_id: UUID, why: str) -> None:
    """Record a command in the organization's audit trail, in the command's transaction."""
    audit.record(
        actor=SYSTEM,
        action=AuditAction.PLATFORM_COMMAND,
        target_kind="organization",
        target_id=organization_id,
        organization_id=organization_id,
        command=command,
        reason=why,
    )
