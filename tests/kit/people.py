"""People: each test creates its own, with unique names."""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

import factory
from django.test import Client
from django.utils import timezone

from apps.accounts.identity import users
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import MembershipScope, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from tests.kit.school import OrganizationFactory

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """A person with one role in each of their organizations, and the access token of their sign-in, if there is one."""

    user: User
    organizations: tuple[UUID, ...] = ()
    token: str = ""

    @property
    def id(self) -> UUID:
        return self.user.id

    @property
    def email(self) -> str:
        return self.user.email

    @property
    def name(self) -> str:
        return self.user.full_name

    @property
    def organization(self) -> UUID:
        """The first of their organizations."""
        return self.organizations[0]

    @property
    def client(self) -> Client:
        return Client(headers={"authorization": f"Bearer {self.token}"})


class PersonFactory(factory.Factory[Person]):
    """A person who is signed in: `organization=` or `organizations=` say where they have the role."""

    class Meta:
        model = Person

    class Params:
        organization: UUID | None = None

    role = Role.OPERATOR
    sites: Collection[UUID] = ()
    buildings: Collection[UUID] = ()
    scope = factory.LazyAttribute(
        lambda made: MembershipScope.PLACES if made.sites or made.buildings else MembershipScope.ORGANIZATION
    )
    organizations = factory.LazyAttribute(lambda made: (made.organization,) if made.organization else ())
    first_name = "Teacher"
    last_name = factory.LazyFunction(lambda: secrets.token_hex(4))
    email = factory.LazyAttribute(lambda _: f"{secrets.token_hex(8)}@school.example")
    password: str | None = None
    is_super_admin = False
    signed_in = True

    @classmethod
    def _create(
        cls,
        _: type[Person],
        *,
        organizations: Iterable[UUID],
        role: Role,
        scope: MembershipScope,
        sites: Iterable[UUID],
        buildings: Iterable[UUID],
        email: str,
        password: str | None,
        first_name: str,
        last_name: str,
        is_super_admin: bool,
        signed_in: bool,
    ) -> Person:
        held = RoleAt(role, scope, sites=frozenset(sites), buildings=frozenset(buildings))
        with tenant_scope(organizations := tuple(organizations)) as opened:
            user = users.create_user(
                actor=SYSTEM,
                email=email,
                password=password,
                first_name=first_name,
                last_name=last_name,
                is_super_admin=is_super_admin,
            )
            for organization in organizations:
                membership = memberships.add_membership(
                    actor=SYSTEM, user=user, organization_id=organization, role=role, scope=scope
                )
                if held.sites or held.buildings:
                    grant_places(membership, held)
            opened.feed.clear()  # The feed of a test contains only the changes of the test itself.
        token = sign_in.begin(user=user, now=timezone.now()).access if signed_in else ""
        return Person(user, organizations, token)


class AccountFactory(PersonFactory):
    """A person with a password in a new organization, who has not signed in yet."""

    class Params:
        organization = factory.LazyFunction(lambda: OrganizationFactory.create().id)

    email = factory.LazyAttribute(lambda made: f"Teacher-{made.last_name}@Example.edu")
    password = PASSWORD
    signed_in = False
