"""Reads of people. Who belongs to an organization is listed through its memberships only."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from apps.accounts import authenticators
from apps.accounts.documents import (
    NOWHERE,
    PlacesDocument,
    SecondFactorsDocument,
    SignInPlaceDocument,
    passkey_document,
    totp_document,
)
from apps.accounts.models import (
    BuildingGrant,
    IdentityDomain,
    IdentityProvider,
    Invitation,
    Membership,
    MembershipScope,
    Permission,
    Proof,
    PushRegistration,
    RefreshToken,
    ServiceToken,
    SignIn,
    SiteGrant,
    User,
    Visit,
)
from apps.accounts.names import folded
from apps.common.access import Principal, require, require_own_account, require_person
from apps.common.db.scope import widen_scope
from apps.common.http.pagination import Page, PageQuery, cut, keyset_page
from apps.common.problems import NotFound
from apps.common.text import email_address


def user_by_email(email: str) -> User | None:
    """The person with this e-mail in any case; PostgreSQL folds both sides, as its unique index does."""
    try:
        address = email_address(email)
    except ValueError:
        return None  # no account has such an address
    return User.objects.filter(Exact(Lower("email"), Lower(Value(address)))).first()


def full_names(people: Collection[UUID]) -> dict[UUID, str]:
    """The names of people whom the caller already knows by id, such as the actors of an alert that is visible to them.

    Somebody whose row is gone is missing.
    """
    return {user.id: user.full_name for user in User.objects.filter(id__in=people)}


def owner_of_proof(digest: bytes) -> UUID | None:
    """Whom a secret that was sent proves something of; None for one that was never sent, or is used up."""
    return Proof.objects.filter(digest=digest).values_list("user_id", flat=True).first()


def presented_refresh_token(digest: bytes) -> RefreshToken | None:
    """The refresh token with this digest; None for one that was never given out, or whose sign-in has ended."""
    return RefreshToken.objects.select_related("family").filter(digest=digest).first()


def own_sign_ins(principal: Principal) -> QuerySet[SignIn]:
    """The caller's own; by a school's sign-in, those that came by that school's too."""
    own = SignIn.objects.filter(user_id=principal.id)
    return own if principal.only is None else own.filter(only_organization=principal.only)


def sign_ins_page(*, principal: Principal, query: PageQuery, now: datetime) -> Page[SignIn]:
    """Where the caller is signed in, the newest first. Raises Forbidden."""
    require_person(principal)
    living = own_sign_ins(principal).filter(expires_at__gt=now)
    return keyset_page(living, by="created_at", query=query, descending=True)


def organizations_of(user_id: UUID) -> list[UUID]:
    """Every organization that says something of a person, also where their rights have ended, or never began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person_organizations(%s)", [user_id])
        return [organization for (organization,) in cursor.fetchall()]


def invitation_place(digest: bytes) -> tuple[UUID, UUID] | None:
    """The organization and the id of the invitation that a link's secret belongs to, before anybody is in scope."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id, id FROM invitation_by_digest(%s)", [digest])
        row: tuple[UUID, UUID] | None = cursor.fetchone()
        return row


def identity_provider_organization(provider_id: UUID) -> UUID | None:
    """Whose identity provider this is, before anybody is in scope; None where none is in use."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_provider_organization(%s)", [provider_id])
        (organization,) = cursor.fetchone()
        return organization if isinstance(organization, UUID) else None


def sign_in_places(domain: str) -> list[SignInPlaceDocument]:
    """The identity providers where people with addresses in this domain sign in."""
    if "\x00" in domain:
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, name, organization FROM identity_providers_of_domain(%s)", [domain.casefold()])
        return [SignInPlaceDocument(*row) for row in cursor.fetchall()]


def identity_stands(identity_id: UUID) -> bool:
    """Whether what a browser's session rests on is still there: the identity, and its provider in use."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_stands(%s)", [identity_id])
        (stands,) = cursor.fetchone()
        return bool(stands)


def identity_providers_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[IdentityProvider]:
    """An organization's identity providers, oldest first. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    return keyset_page(IdentityProvider.objects.filter(organization_id=organization_id), by="created_at", query=query)


def identity_provider(*, principal: Principal, organization_id: UUID, provider_id: UUID) -> IdentityProvider:
    """One of them. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    found = IdentityProvider.objects.filter(organization_id=organization_id, id=provider_id).first()
    if found is None:
        raise NotFound()
    return found


def identity_domains(*, principal: Principal, organization_id: UUID) -> list[IdentityDomain]:
    """The mail domains that were verified to be the organization's, by name. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "update")
    return list(IdentityDomain.objects.filter(organization_id=organization_id).order_by("domain"))


def people_page(
    *,
    principal: Principal,
    organization_id: UUID,
    search: str = "",
    day_accounts: bool = False,
    query: PageQuery,
    now: datetime,
) -> Page[Membership]:
    """An organization's people by name, or its day accounts alone; `search` is a part of a name or e-mail address.

    The index of names gives order and place in the list, so that a page never reads more than it must. Raises NotFound
    for a stranger, Forbidden for whoever may not read of people in the whole organization.
    """
    require(principal, organization_id, "people", "read")
    people = _present(organization_id, now)
    if day_accounts:
        people = people.filter(trigger_only=True)
    if search:
        found_by_email = Q(user__email__icontains=search) & ~Q(user__email__endswith=NOWHERE)
        people = people.filter(Q(name_key__contains=folded(search)) | found_by_email)
    if query.position is not None:
        way = "<" if query.backwards else ">"
        people = people.extra(  # noqa: S610 (a comparison of rows is what the index answers, and Django has none)
            where=[f"(user_organizations.name_key, user_organizations.user_id) {way} (%s, %s::uuid)"],
            params=list(query.position.values),
        )
    order = ("-name_key", "-user_id") if query.backwards else ("name_key", "user_id")
    rows = list(people.order_by(*order)[: query.limit + 1])
    return cut(rows, query, key=lambda membership: (membership.name_key, membership.user_id))


def person(*, principal: Principal, organization_id: UUID, user_id: UUID, now: datetime) -> Membership:
    """One person of an organization. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    found = _present(organization_id, now).filter(user_id=user_id).first()
    if found is None:
        raise NotFound()
    return found


def places_of(memberships: Iterable[Membership]) -> dict[UUID, PlacesDocument]:
    """Where the roles of narrowed memberships of one organization hold, by person: two queries at the most."""
    narrowed = [one for one in memberships if one.scope == MembershipScope.PLACES]
    if not narrowed:
        return {}
    sites, buildings = (
        _granted(model, narrowed[0].organization_id, [one.user_id for one in narrowed])
        for model in (SiteGrant, BuildingGrant)
    )
    return {one.user_id: PlacesDocument(sites[one.user_id], buildings[one.user_id]) for one in narrowed}


def invitations_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[Invitation]:
    """An organization's open invitations, newest first. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    return keyset_page(still_open, by="created_at", query=query, descending=True)


def invitation(*, principal: Principal, organization_id: UUID, invitation_id: UUID) -> Invitation:
    """One open invitation. Raises NotFound, Forbidden."""
    require(principal, organization_id, "people", "read")
    still_open = Invitation.objects.filter(organization_id=organization_id, accepted_at=None, revoked_at=None)
    found = still_open.filter(id=invitation_id).first()
    if found is None:
        raise NotFound()
    return found


def visits_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[Visit]:
    """Looks of platform operators into an organization, newest first: for its admins, and for who runs the platform.

    Raises NotFound, Forbidden.
    """
    if principal.is_super_admin:
        widen_scope([organization_id])
    else:
        require(principal, organization_id, "audit", "read")
    visits = Visit.objects.filter(organization_id=organization_id).select_related("user")
    return keyset_page(visits, by="started_at", query=query, descending=True)


def permissions_of(role: str) -> list[str]:
    """What the table says that a role may: `resource:action`, in order."""
    rows = Permission.objects.filter(role=role).values_list("resource", "action")
    return sorted(f"{resource}:{action}" for resource, action in rows)


def push_registrations(user_id: UUID) -> QuerySet[PushRegistration]:
    """Where a person is told of alerts, oldest first."""
    return PushRegistration.objects.filter(user_id=user_id).order_by("id")


def own_push_registrations(principal: Principal) -> QuerySet[PushRegistration]:
    """The caller's own; by a school's sign-in, those of such sign-ins there."""
    own = push_registrations(principal.id)
    return own if principal.only is None else own.filter(only_organization=principal.only)


def second_factors(principal: Principal) -> SecondFactorsDocument:
    """What protects one's own account beside the password. Raises Forbidden."""
    require_own_account(principal)
    own = authenticators.of_user(User.objects.get(pk=principal.id))
    apps = [totp_document(one) for one in own if one.type == "totp"]
    return SecondFactorsDocument(
        totp=apps[0] if apps else None,
        passkeys=[passkey_document(one) for one in own if one.type == "webauthn"],
        recovery_codes_left=authenticators.recovery_codes_left(own),
        required_by=[grant.organization_id for grant in principal.grants.values() if grant.needs_second_factor],
    )


def own_memberships(principal: Principal) -> list[Membership]:
    """What a person belongs to and may speak in at this moment, by the organization's name."""
    own = Membership.objects.filter(user_id=principal.id, organization_id__in=principal.grants)
    return list(own.select_related("organization").order_by("organization__name", "organization_id"))


def own_places(user_id: UUID) -> dict[UUID, PlacesDocument]:
    """Where a person's narrowed roles hold, by organization of the scope: two queries."""
    sites, buildings = (
        defaultdict[UUID, list[UUID]](list, _by_organization(model, user_id)) for model in (SiteGrant, BuildingGrant)
    )
    return {one: PlacesDocument(sites[one], buildings[one]) for one in {*sites, *buildings}}


def _by_organization(model: type[SiteGrant | BuildingGrant], user_id: UUID) -> dict[UUID, list[UUID]]:
    granted: defaultdict[UUID, list[UUID]] = defaultdict(list)
    rows = model.objects.filter(user_id=user_id).order_by("content_object_id")
    for organization, place in rows.values_list("organization_id", "content_object_id"):
        granted[organization].append(place)
    return granted


def service_tokens_page(*, principal: Principal, organization_id: UUID, query: PageQuery) -> Page[ServiceToken]:
    """An organization's service tokens, the newest first, those that have expired too. Raises NotFound, Forbidden."""
    require(principal, organization_id, "service_tokens", "read")
    tokens = ServiceToken.objects.filter(organization_id=organization_id)
    return keyset_page(tokens, by="created_at", query=query, descending=True)


def _present(organization_id: UUID, now: datetime) -> QuerySet[Membership]:
    """Memberships that have not expired, with their people."""
    here = Membership.objects.filter(organization_id=organization_id).select_related("user")
    return here.filter(Q(expires_at=None) | Q(expires_at__gt=now))


def _granted(
    model: type[SiteGrant | BuildingGrant], organization_id: UUID, people: list[UUID]
) -> defaultdict[UUID, list[UUID]]:
    granted: defaultdict[UUID, list[UUID]] = defaultdict(list)
    rows = model.objects.filter(organization_id=organization_id, user_id__in=people).order_by("content_object_id")
    for user_id, place in rows.values_list("user_id", "content_object_id"):
        granted[user_id].append(place)
    return granted
