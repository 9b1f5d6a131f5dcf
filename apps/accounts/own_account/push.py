"""Push registrations: the phones and browsers where a person receives alerts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from apps.accounts.audit_actions import AuditAction
from apps.accounts.identity import users
from apps.accounts.models import Platform, PushRegistration
from apps.accounts.own_account.selectors import own_push_registrations, push_registrations
from apps.common.access import Principal, require_person
from apps.common.problems import NotFound

MOST: Final = 20
"""Maximum number of registrations of one person, for their account and for each school; beyond it, the least recently
seen one is deleted."""


def register(
    *, principal: Principal, token: str, platform: Platform, app_version: str, now: datetime
) -> tuple[PushRegistration, bool]:
    """Send alerts to this token for the caller, and for no previous owner; also return whether it is new.

    Apps call it at each start, so a known registration only updates its last-seen time. A school's sign-in registers
    for that school's alerts only, separate from the person's other registrations: it neither narrows nor evicts them.
    Knowing the token means having the phone, so registrations of other people for it are always deleted: otherwise
    their alerts would appear on its new owner's phone. Raises Forbidden.
    """
    require_person(principal)
    users.locked(principal.id)
    PushRegistration.objects.filter(token=token).exclude(user=principal.id).delete()
    reach = push_registrations(principal.id).filter(only_organization=principal.only)
    is_known = reach.filter(token=token).exists()
    PushRegistration.objects.bulk_create(
        [
            PushRegistration(
                user_id=principal.id,
                token=token,
                only_organization=principal.only,
                platform=platform,
                app_version=app_version,
                created_at=now,
                seen_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["token", "only_organization"],
        update_fields=["user", "platform", "app_version", "seen_at"],
    )
    if not is_known:
        oldest = reach.order_by("-seen_at", "-id")[MOST:]
        PushRegistration.objects.filter(id__in=[one.id for one in oldest]).delete()
        users.record(
            actor=principal,
            action=AuditAction.PUSH_REGISTERED,
            user_id=principal.id,
            organizations=principal.grants,
            platform=platform,
        )
    return reach.get(token=token), not is_known


def unregister(*, principal: Principal, registration_id: UUID) -> None:
    """Delete a registration. Raises Forbidden, NotFound."""
    require_person(principal)
    deleted, _ = own_push_registrations(principal).filter(id=registration_id).delete()
    if not deleted:
        raise NotFound()
    users.record(
        actor=principal, action=AuditAction.PUSH_UNREGISTERED, user_id=principal.id, organizations=principal.grants
    )
