"""What a person did about alerts, for their own export."""

from uuid import UUID

from apps.accounts.own_account.personal_data import Trace
from apps.alerts.models import AlertEvent, AlertNote
from apps.common.access import PrincipalKind


def events_of(user_id: UUID) -> list[Trace]:
    """Steps of alerts that the person made."""
    made = AlertEvent.objects.filter(actor_kind=PrincipalKind.PERSON, actor_id=user_id).order_by("at", "id")
    return list(made.values("organization_id", "alert", "kind", "at"))


def notes_of(user_id: UUID) -> list[Trace]:
    """Notes that the person wrote."""
    written = AlertNote.objects.filter(author_id=user_id).order_by("created_at", "id")
    return list(written.values("organization_id", "alert", "body", "created_at"))
