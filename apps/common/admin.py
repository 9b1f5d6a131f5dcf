"""The audit trail in the admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.common import audit
from apps.common.model_admin.scoped import ScopedAdmin
from apps.common.models import AuditEntry


class OutcomeFilter(admin.SimpleListFilter):
    """Filter entries by whether the action was done or refused."""

    title = parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        """Return the choices with their labels."""
        return [(audit.DONE, "Done"), (audit.REFUSED, "Refused")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Return the entries with the chosen outcome."""
        chosen = self.value()
        return queryset.filter(outcome=chosen) if chosen else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ScopedAdmin):
    """The audit trail, read-only for everybody."""

    resource = "audit"
    list_display = ("at", "action", "outcome", "actor_kind", "actor_id", "target_kind", "target_id", "seq")
    list_filter = (OutcomeFilter,)
    filtered_by = frozenset({"target_id", "actor_id", "action", "target_kind"})
    ordering = ("-at", "-id")
    exclude = ("hash", "personal_digest")
