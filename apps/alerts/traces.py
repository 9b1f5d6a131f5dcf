"""A person's acts on alerts, for the export of their personal data."""

from uuid import UUID

from apps.accounts.own_account.personal_data import Trace
from apps.alerts.models import AlertEvent, AlertNote
from apps.common.access import PrincipalKind


def events_of(user_id: UUID) -> list[Trace]:
    """Return the steps of alerts that the person took."""
    made = AlertEvent.objects.filter(actor_kind=PrincipalKind.PERSON, actor_id=user_id).order_by("at", "id")
    return list(made.values("organization_id", "alert", "kind", "at"))


def notes_of(user_id: UUID) -> list[Trace]:
    """Return the notes that the person wrote."""
    written = AlertNote.objects.filter(author_id=user_id).order_by("created_at", "id")
    return list(written.values("organization_id", "alert", "body", "created_at"))
