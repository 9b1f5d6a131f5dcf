"""The audit trail in the admin."""

from django.contrib import admin

from apps.common.models import AuditEntry
from apps.common.scoped_admin import ScopedAdmin


@admin.register(AuditEntry)
class AuditEntryAdmin(ScopedAdmin):
    """Who did what; nobody changes it."""

    resource = "audit"
    list_display = ("at", "action", "outcome", "actor_kind", "actor_id", "target_kind", "target_id", "seq")
    list_filter = ("outcome",)
    filtered_by = frozenset({"target_id", "actor_id", "action", "target_kind"})
    ordering = ("-at", "-id")
    exclude = ("hash", "personal_digest")
