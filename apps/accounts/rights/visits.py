"""Visits of platform operators to a school, with a reason and an end that the school can read.

During a visit its operator has the role `super_admin` there, and their actions are in the school's audit trail.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import Visit
from apps.accounts.rights.documents import visit_document
from apps.common.access import Principal, grant_in, require, require_super_admin
from apps.common.changes import record_change
from apps.common.db.scope import widen_scope
from apps.common.http.writes.etags import require_match
from apps.common.problems import Conflict, Invalid, NotFound
from apps.tenancy.models import OrganizationStatus
from apps.tenancy.selectors import existing_organization

USUAL: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=8)


class VisitOver(Conflict):
    """The visit has ended."""

    code = "visit_over"
    default_detail = "This visit is over."


def begin(*, actor: Principal, organization_id: UUID, reason: str, ends_at: datetime | None, now: datetime) -> Visit:
    """Start a visit to an organization, effective with the next request. Raises NotFound, Forbidden, Invalid."""
    if not (actor.is_super_admin or actor.needs_second_factor):
        grant_in(actor, organization_id)
    require_super_admin(actor)
    widen_scope([organization_id])
    if existing_organization(organization_id).status == OrganizationStatus.DELETED:
        raise NotFound()
    end_ = ends_at or now + USUAL
    if not now < end_ <= now + LONGEST:
        hours = int(LONGEST.total_seconds()) // 3600
        raise Invalid(errors={"ends_at": [f"Within the next {hours} hours."]})
    visit = Visit.objects.create(
        organization_id=organization_id, user_id=actor.id, reason=reason, started_at=now, ends_at=end_
    )
    _record(actor, visit, AuditAction.VISIT_STARTED)
    return visit


def end(*, actor: Principal, organization_id: UUID, visit_id: UUID, if_match: str | None, now: datetime) -> Visit:
    """End a visit immediately, as a platform operator or as an admin of the school.

    Raises NotFound, Forbidden, PreconditionFailed, VisitOver.
    """
    if actor.is_super_admin:
        widen_scope([organization_id])
    else:
        require(actor, organization_id, "organizations", "update")
    visit = (
        Visit.objects.select_for_update(of=["self"], no_key=True)
        .select_related("user")
        .filter(organization_id=organization_id, id=visit_id)
        .first()
    )
    if visit is None:
        raise NotFound()
    require_match(if_match, visit_document(visit))
    if visit.ended_at or visit.ends_at <= now:
        raise VisitOver()
    visit.ended_at, visit.ended_by = now, actor.id
    visit.save(update_fields=["ended_at", "ended_by"])
    _record(actor, visit, AuditAction.VISIT_ENDED)
    return visit


def _record(actor: Principal, visit: Visit, action: AuditAction) -> None:
    record_change(
        actor=actor,
        action=action,
        target_kind="visit",
        target_id=visit.id,
        organization_id=visit.organization_id,
        resource="visits",
    )
