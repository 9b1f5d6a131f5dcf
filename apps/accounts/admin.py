"""People, invitations and visits in the admin. A person's account itself cannot be changed here."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join

from apps.accounts.models import Invitation, Membership, MembershipScope, User, Visit
from apps.accounts.people import invitations, memberships
from apps.accounts.people.documents import person_document
from apps.accounts.people.forms import EVERYWHERE, SOMEWHERE, HeldForm, PersonForm
from apps.accounts.people.selectors import places_of
from apps.common.access import Grant, Principal
from apps.common.http.writes.etags import etag_of
from apps.common.model_admin.scoped import ScopedAdmin, caller
from apps.common.model_admin.services import Act, ServiceAdmin, Values


@admin.register(User)
class PersonAdmin(ServiceAdmin):
    """People of the caller's organizations; for a person in several, `?organization=` selects one."""

    resource = "people"
    form = PersonForm
    removal = "End membership"
    list_display = ("shown_as", "title", "role_here", "belongs_to", "email")
    fields = ("organizations", "email", "name", "title", "role", "scope", "sites", "buildings")
    read_fields = ("organizations", "email", "shown_as", "title", "role_here", "holds")
    readonly_fields = ("organizations", "email")
    search_fields = ("email",)
    ordering = ("email",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Prefetch the memberships that the caller may read, with one additional query."""
        read = [one for one, grant in caller(request).grants.items() if ("people", "read") in grant.permissions]
        here = Membership.objects.filter(organization_id__in=read).select_related("organization", "user")
        ordered = here.order_by("organization__name", "organization_id")
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related(Prefetch("memberships", queryset=ordered, to_attr="here"))

    def granted(self, grant: Grant, resource: str, action: str) -> Q:
        """Match people with a membership that has not expired."""
        if (resource, action) not in grant.permissions:
            return Q(pk__in=())
        here = Membership.objects.filter(organization_id=grant.organization_id)
        return Q(pk__in=here.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now())).values("user_id"))

    def owners(self, row: Model) -> list[UUID]:
        """Return every organization in scope that the person belongs to."""
        return list(Membership.objects.filter(user_id=row.pk).values_list("organization_id", flat=True))

    @admin.display(description="Name")
    def shown_as(self, person: Any) -> str:
        """Return the person's name in the organization."""
        return str(person.here[0].name)

    def title(self, person: Any) -> str:
        """Return the person's title in the organization."""
        return str(person.here[0].title or "")

    @admin.display(description="Role")
    def role_here(self, person: Any) -> str:
        """Return the person's role in each organization."""
        return ", ".join("Day account" if one.trigger_only else one.get_role_display() for one in person.here)

    @admin.display(description="Belongs to")
    def belongs_to(self, person: Any) -> str:
        """Return the names of the person's organizations that are visible to the caller."""
        return ", ".join(one.organization.name for one in person.here)

    @admin.display(description="Belongs to")
    def organizations(self, person: Any) -> str:
        """Return the same names, each linked to the person's membership there."""
        links = ((one.organization_id, one.organization.name) for one in person.here)
        return format_html_join(", ", '<a href="?organization={}">{}</a>', links)

    @admin.display(description="Where the role applies")
    def holds(self, person: Any) -> str:
        """Describe where the role applies."""
        narrowed = person.here[0].scope == MembershipScope.PLACES
        return SOMEWHERE if narrowed else EVERYWHERE

    def form_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Add the selected membership."""
        membership = self._membership(request, obj)
        return {"membership": membership, "organizations": frozenset({membership.organization_id})}

    def update(self, principal: Principal, obj: Any, values: Values, seen: str | None) -> User:
        """Change display name and title with one service, the role with another, as in the API."""
        membership: Membership = obj.meant
        one = {"actor": principal, "user_id": obj.pk, "organization_id": membership.organization_id}
        display = {name: values[name] for name in ("name", "title") if name in values}
        if display:
            memberships.show(**one, changes=display, if_match=seen)
        if "held" in values:
            memberships.change_role(**one, held=values["held"], if_match=None if display else seen)
        return membership.user

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """End the membership; the account does not change."""
        organization = self._membership(request, obj).organization_id
        memberships.end(actor=caller(request), user_id=obj.pk, organization_id=organization)

    def seen(self, obj: Any) -> str:
        """Return the version of the membership."""
        return etag_of(person_document(obj.meant, places_of([obj.meant])))

    def _membership(self, request: HttpRequest, person: Any) -> Membership:
        """Return the membership in the organization that the URL names, or the first one."""
        named = request.GET.get("organization")
        person.meant = next((one for one in person.here if str(one.organization_id) == named), person.here[0])
        membership: Membership = person.meant
        return membership


def _resend(principal: Principal, invitation: Invitation) -> str:
    invitations.resend(
        actor=principal,
        organization_id=invitation.organization_id,
        invitation_id=invitation.id,
        now=timezone.now(),
    )
    return "sent again, with a new link"


def _revoke(principal: Principal, invitation: Invitation) -> str:
    invitations.revoke(
        actor=principal,
        organization_id=invitation.organization_id,
        invitation_id=invitation.id,
        now=timezone.now(),
    )
    return "withdrawn"


def _is_open(invitation: Invitation) -> bool:
    return invitation.accepted_at is None and invitation.revoked_at is None


@admin.register(Invitation)
class InvitationAdmin(ServiceAdmin):
    """Invitations and their outcome."""

    resource = "people"
    parent = "organization"
    form = HeldForm
    list_display = ("email", "role", "organization", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_select_related = ("organization",)
    fields = ("email", "role", "scope", "sites", "buildings")
    read_fields = ("email", "role", "scope", "created_at", "expires_at", "sent_at", "accepted_at", "revoked_at")
    ordering = ("-created_at", "-id")
    acts = (
        Act("resend", "Send again", ("people", "create"), _resend, _is_open),
        Act("revoke", "Withdraw", ("people", "delete"), _revoke, _is_open),
    )

    def form_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Offer the places of the organizations that the caller may invite to."""
        return {"organizations": frozenset(self.parents(request).values_list("pk", flat=True))}

    def create(self, principal: Principal, values: Values) -> Invitation:
        """Create the invitation; its e-mail is sent after commit."""
        return invitations.invite(
            actor=principal,
            organization_id=values["organization"].id,
            email=values["email"],
            held=values["held"],
            now=timezone.now(),
        )


@admin.register(Visit)
class VisitAdmin(ScopedAdmin):
    """Visits of platform operators to an organization, each with its reason and its end."""

    resource = "audit"
    list_display = ("started_at", "user", "reason", "ends_at", "ended_at")
    list_select_related = ("user",)
    ordering = ("-started_at", "-id")
