"""Audit trails: read as stored, chained as by the relay, and changed as only the owner of the tables can."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections

from apps.common.audit import chain, verification
from apps.common.audit.checkpoints import HeadsFile
from apps.common.audit.verification import Break
from apps.common.db.scope import system_scope
from apps.common.models import AuditEntry, AuditPersonal


def chain_all() -> None:
    while chain.extend():
        pass


def verify(organization: UUID | None, *files: HeadsFile) -> Break | None:
    return verification.verify(organization, files, lambda _: None).broken


def entries(organization: UUID | None) -> list[AuditEntry]:
    """Entries in the order in which they were written."""
    with system_scope():
        return list(AuditEntry.objects.filter(organization_id=organization).order_by("at", "id"))


def actions(organization: UUID) -> list[str]:
    """The actions of changes in an organization, oldest first."""
    return [entry.action for entry in entries(organization) if entry.outcome == "done"]


def personal_values(entry: AuditEntry) -> dict[str, str] | None:
    with system_scope():
        found = AuditPersonal.objects.filter(entry_id=entry.id).first()
    return found.values if found else None


@dataclass
class Written:
    """What a block of code added to all trails."""

    entries: list[AuditEntry] = field(default_factory=list)

    @property
    def actions(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.outcome) for entry in self.entries]


@contextmanager
def audit_rows(*organizations: UUID | None) -> Iterator[Written]:
    """The audit rows that the block writes, in these organizations' trails or, without any, in all trails.

    For the matrix: `with audit_rows(school.organization) as written: client.post(...)`, then `written.actions`.
    """

    def found() -> dict[UUID, AuditEntry]:
        with system_scope():
            every = AuditEntry.objects.order_by("at", "id")
            return {one.id: one for one in every if not organizations or one.organization_id in organizations}

    before = found()
    written = Written()
    yield written
    written.entries = [entry for id_, entry in found().items() if id_ not in before]


def tamper(statement: str, *params: int | bytes | str | UUID | list[UUID] | None) -> int:
    """Run SQL as the owner of the tables, which no trigger prevents."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, list(params))
        changed: int = cursor.rowcount
        return changed
