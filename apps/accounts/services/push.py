"""Where a person is told of alerts: the phones and browsers that they registered."""

from datetime import datetime
from typing import Final
from uuid import UUID

from apps.accounts.models import Platform, PushRegistration
from apps.accounts.selectors import own_push_registrations, push_registrations
from apps.accounts.services import own
from apps.common.access import Principal, require_person
from apps.common.problems import NotFound

MOST: Final = 20
"""Registrations of one person; beyond that the one that was not seen for the longest time ends."""


def register(
    *, principal: Principal, token: str, platform: Platform, app_version: str, now: datetime
) -> tuple[PushRegistration, bool]:
    """Have alerts sent to this token, and to nobody else who used it before; True with it where that is new.

    An app does it at each start, so that a registration which is known only notes that it was seen. By a school's
    sign-in it is told of that school's alerts alone. Raises Forbidden.
    """
    require_person(principal)
    own.locked(principal.id)
    PushRegistration.objects.filter(token=token).exclude(user=principal.id).delete()
    is_known = PushRegistration.objects.filter(token=token).exists()
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
        unique_fields=["token"],
        update_fields=["user", "only_organization", "platform", "app_version", "seen_at"],
    )
    if not is_known:
        oldest = push_registrations(principal.id).order_by("-seen_at", "-id")[MOST:]
        PushRegistration.objects.filter(id__in=[one.id for one in oldest]).delete()
        own.record(person=principal, action="push.registered", actor=principal, platform=platform)
    return PushRegistration.objects.get(token=token), not is_known


def unregister(*, principal: Principal, registration_id: UUID) -> None:
    """Send nothing there any more. Raises Forbidden, NotFound."""
    require_person(principal)
    deleted, _ = own_push_registrations(principal).filter(id=registration_id).delete()
    if not deleted:
        raise NotFound()
    own.record(person=principal, action="push.unregistered", actor=principal)
