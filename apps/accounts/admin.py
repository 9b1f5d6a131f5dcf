"""People of one's organizations in the admin: who they are there. Their account is their own."""

from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q

from apps.accounts.models import Invitation, Membership, User, Visit
from apps.common.access import Grant
from apps.common.scoped_admin import ScopedAdmin


@admin.register(User)
class PersonAdmin(ScopedAdmin):
    """Who belongs to one of the caller's organizations."""

    resource = "people"
    list_display = ("full_name", "email")
    fields = ("first_name", "last_name", "email")
    ordering = ("email",)

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """By membership."""
        if (resource, action) not in grant.permissions:
            return Q(pk__in=())
        here = Membership.objects.filter(organization_id=grant.organization_id)
        return Q(pk__in=here.values("user_id"))

    def owners(self, row: Model) -> list[UUID]:
        """Every organization of the scope that the person belongs to."""
        return list(Membership.objects.filter(user_id=row.pk).values_list("organization_id", flat=True))


@admin.register(Invitation)
class InvitationAdmin(ScopedAdmin):
    """Who was invited, and what became of it."""

    resource = "people"
    list_display = ("email", "role", "created_at", "expires_at", "sent_at", "accepted_at", "revoked_at")
    exclude = ("digest",)
    ordering = ("-created_at", "-id")


@admin.register(Visit)
class VisitAdmin(ScopedAdmin):
    """Looks of platform operators into the organization, each with its reason and its end."""

    resource = "audit"
    list_display = ("started_at", "user", "reason", "ends_at", "ended_at")
    list_select_related = ("user",)
    ordering = ("-started_at", "-id")
