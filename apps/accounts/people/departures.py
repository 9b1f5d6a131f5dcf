"""Revokes the service tokens and open invitations that a person created when the person leaves an organization.

The same applies to a person whose new role could not create them. A colleague who still needs one creates another,
under their own name.
"""

from datetime import datetime
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import Invitation, ServiceToken
from apps.accounts.rights.grants import person_principal
from apps.common.access import Principal, allows
from apps.common.changes import record_change


def withdraw_what_they_made(*, actor: Principal, user_id: UUID, organization_id: UUID, now: datetime) -> None:
    """Revoke what the person created but could no longer create. Call it after the change, in its transaction."""
    person = person_principal(user_id, now=now)
    if person is None or not allows(person, organization_id, "service_tokens", "create"):
        _withdraw_tokens(actor, user_id, organization_id)
    if person is None or not allows(person, organization_id, "people", "create"):
        _revoke_invitations(actor, user_id, organization_id, now)


def _withdraw_tokens(actor: Principal, user_id: UUID, organization_id: UUID) -> None:
    made = ServiceToken.objects.filter(organization_id=organization_id, created_by=user_id)
    for token in made.order_by("id").values_list("id", flat=True):
        ServiceToken.objects.filter(pk=token).delete()
        record_change(
            actor=actor,
            action=AuditAction.SERVICE_TOKEN_WITHDRAWN,
            target_kind="service_token",
            target_id=token,
            organization_id=organization_id,
            resource="service_tokens",
            made_by=str(user_id),
        )


def _revoke_invitations(actor: Principal, user_id: UUID, organization_id: UUID, now: datetime) -> None:
    still_open = Invitation.objects.filter(
        organization_id=organization_id, invited_by=user_id, accepted_at=None, revoked_at=None
    )
    for invitation in still_open.select_for_update().order_by("id"):
        invitation.revoked_at, invitation.digest = now, None
        invitation.save(update_fields=["revoked_at", "digest"])
        record_change(
            actor=actor,
            action=AuditAction.INVITATION_REVOKED,
            target_kind="invitation",
            target_id=invitation.id,
            organization_id=organization_id,
            resource="people",
            made_by=str(user_id),
        )
