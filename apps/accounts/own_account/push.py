"""Where a person is told of alerts: the phones and browsers that they registered."""

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
"""Registrations of one person, for their account and for each school; beyond that the one that was not seen for the
longest time ends."""


def register(
    *, principal: Principal, token: str, platform: Platform, app_version: str, now: datetime
) -> tuple[PushRegistration, bool]:
    """Have alerts sent to this token, and to nobody else who used it before; True with it where that is new.

    An app does it at each start, so that a registration which is known only notes that it was seen. A school's sign-in
    registers for that school's alerts alone, beside what the same person has registered otherwise: it neither narrows
    that nor makes room by it. Who knows the token holds the phone, so what other people had there ends in any case:
    else their alerts would be shown to its new owner. Raises Forbidden.
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
    """Send nothing there any more. Raises Forbidden, NotFound."""
    require_person(principal)
    deleted, _ = own_push_registrations(principal).filter(id=registration_id).delete()
    if not deleted:
        raise NotFound()
    users.record(
        actor=principal, action=AuditAction.PUSH_UNREGISTERED, user_id=principal.id, organizations=principal.grants
    )
