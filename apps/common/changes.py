"""Record a change in the audit trail and announce it in the feed."""

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
    """Write an audit entry, and announce the change so that clients that display the target read it again.

    The target is one of `resource`. If only people of one building may know of a change, use `feed.announce_change`
    with that building instead.
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
