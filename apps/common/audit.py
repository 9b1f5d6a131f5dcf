"""The audit trail: one row for each change, written in the writer's own transaction."""

from uuid import UUID

from django.utils import timezone

from apps.common.access import Principal
from apps.common.models import AuditEntry


def record(
    *,
    actor: Principal | None,
    action: str,
    target_kind: str,
    target_id: UUID | None,
    organization_id: UUID | None,
    outcome: str = "done",
    **detail: str | int | bool | None,
) -> None:
    """Write that `actor` (None: nobody signed in) did `action`, or with `outcome` refused that they tried.

    No personal data or secrets in `detail`.
    """
    AuditEntry.objects.create(
        organization_id=organization_id,
        at=timezone.now(),
        actor_kind=actor.kind if actor else "nobody",
        actor_id=actor.id if actor else None,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        outcome=outcome,
        detail=detail,
    )
