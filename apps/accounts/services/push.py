"""Where a person is told of alerts: the phones and browsers that they registered."""

from datetime import datetime
from typing import Final
from uuid import UUID

from apps.accounts.models import Platform, PushRegistration
from apps.accounts.selectors import push_registrations
from apps.accounts.services import own
from apps.common.access import Principal, require_own_account
from apps.common.problems import NotFound

MOST: Final = 20
"""Registrations of one person; beyond that the one that was not seen for the longest time ends."""


def register(
    *, principal: Principal, token: str, platform: Platform, app_version: str, now: datetime
) -> tuple[PushRegistration, bool]:
    """Have alerts sent to this token, and to nobody else who used it before; True with it where that is new.

    An app does it at each start, so that a registration which is known only notes that it was seen. Raises Forbidden.
    """
    require_own_account(principal)
    own.locked(principal.id)
    PushRegistration.objects.filter(token=token).exclude(user=principal.id).delete()
    is_known = PushRegistration.objects.filter(token=token).exists()
    PushRegistration.objects.bulk_create(
        [
            PushRegistration(
                user_id=principal.id,
                token=token,
                platform=platform,
                app_version=app_version,
                created_at=now,
                seen_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["token"],
        update_fields=["user", "platform", "app_version", "seen_at"],
    )
    if not is_known:
        oldest = push_registrations(principal.id).order_by("-seen_at", "-id")[MOST:]
        PushRegistration.objects.filter(id__in=[one.id for one in oldest]).delete()
        own.record(person=principal, action="push.registered", actor=principal, platform=platform)
    return PushRegistration.objects.get(token=token), not is_known


def unregister(*, principal: Principal, registration_id: UUID) -> None:
    """Send nothing there any more. Raises Forbidden, NotFound."""
    require_own_account(principal)
    deleted, _ = PushRegistration.objects.filter(user=principal.id, id=registration_id).delete()
    if not deleted:
        raise NotFound()
    own.record(person=principal, action="push.unregistered", actor=principal)
