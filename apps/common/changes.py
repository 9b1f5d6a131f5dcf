"""A change, written to the audit trail and announced in the feed."""

from uuid import UUID

from apps.common import audit, feed
from apps.common.access import Principal


def record_change(
    *,
    actor: Principal,
    action: audit.Action,
    target_kind: str,
    target_id: UUID,
    organization_id: UUID,
    resource: str,
    **detail: audit.Value,
) -> None:
    """Write that `actor` did `action`, and have clients that show the target, one of `resource`, read it again.

    What only people of one building may know is announced with its building instead: `feed.announce_change`.
    """
    audit.record(
        actor=actor,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        organization_id=organization_id,
        outcome=audit.DONE,
        **detail,
    )
    feed.announce_change(organization_id=organization_id, resource=resource, id=target_id)
