"""Import and export of people for their endpoints, at the time of the request."""

from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from apps.accounts.people.people_import import import_people
from apps.accounts.people.table import exported_people
from apps.common.access import Principal
from apps.common.csv.endpoints import Imported


def import_table(*, actor: Principal, organization_id: UUID, body: bytes, dry_run: bool) -> Imported:
    """See `import_people`."""
    return import_people(actor=actor, organization_id=organization_id, body=body, now=timezone.now(), dry_run=dry_run)


def export_table(*, principal: Principal, organization_id: UUID) -> Iterable[str]:
    """See `exported_people`."""
    return exported_people(principal=principal, organization_id=organization_id, now=timezone.now())
