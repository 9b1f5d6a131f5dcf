"""Changes of people and schools that these tests make directly, and what the audit trail says of people."""

from uuid import UUID

from apps.accounts.models import Membership, MembershipScope, Role, User, UserStatus
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.tenancy.models import Building, Organization, OrganizationStatus, Site
from tests.kit.people import Person


def set_status(person: Person, status: UserStatus) -> None:
    User.objects.filter(pk=person.id).update(status=status)


def end_membership(person: Person) -> None:
    with tenant_scope([person.organization]):
        Membership.objects.filter(user_id=person.id).delete()


def set_organization_status(organization: UUID, status: OrganizationStatus) -> None:
    with tenant_scope([organization]):
        Organization.objects.filter(pk=organization).update(status=status)


def trail(person: Person) -> list[tuple[str, str, UUID | None]]:
    """Audit entries about this person's sign-ins: action, outcome, organization; oldest first."""
    with system_scope():
        entries = AuditEntry.objects.filter(target_id=person.id, action__startswith="auth.").order_by("at", "id")
        return [(entry.action, entry.outcome, entry.organization_id) for entry in entries]


def make_site(organization: UUID, *buildings: str) -> tuple[Site, list[Building]]:
    """A site with buildings of these names."""
    with tenant_scope([organization]):
        site = Site.objects.create(organization_id=organization, name="Campus", address="400 Oak Street")
        return site, [
            Building.objects.create(organization_id=organization, site=site, name=building) for building in buildings
        ]


def hold(person: Person, *places: Site | Building) -> None:
    """Grant a person with a place scope their role at these places."""
    with tenant_scope([person.organization]):
        membership = Membership.objects.get(user_id=person.id, organization_id=person.organization)
        grant_places(
            membership,
            RoleAt(
                Role(membership.role),
                MembershipScope.PLACES,
                sites=frozenset(place.id for place in places if isinstance(place, Site)),
                buildings=frozenset(place.id for place in places if isinstance(place, Building)),
            ),
        )
