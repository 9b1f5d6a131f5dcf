"""Reads of accounts and sign-ins."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact

from apps.accounts.identity.documents import SecondFactorsDocument, passkey_document, totp_document
from apps.accounts.identity.second_factors import authenticators
from apps.accounts.models import Proof, RefreshToken, SignIn, User
from apps.common.access import Principal, require_own_account, require_person
from apps.common.http.pagination import Page, PageQuery, keyset_page
from apps.common.text import email_address


def user_by_email(email: str) -> User | None:
    """Return the person with this e-mail, case-insensitively; PostgreSQL folds both sides, as its unique index does."""
    try:
        address = email_address(email)
    except ValueError:
        return None  # no account has such an address
    return User.objects.filter(Exact(Lower("email"), Lower(Value(address)))).first()


def full_names(people: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of people whose ids the caller already has, such as the actors of a visible alert.

    People whose row was deleted are left out.
    """
    return {user.id: user.full_name for user in User.objects.filter(id__in=people)}


def owner_of_proof(digest: bytes) -> UUID | None:
    """Return the owner of a secret that was sent; None if it was never sent or has been used."""
    return Proof.objects.filter(digest=digest).values_list("user_id", flat=True).first()


def presented_refresh_token(digest: bytes) -> RefreshToken | None:
    """Return the refresh token with this digest; None if it was never issued or its sign-in has ended."""
    return RefreshToken.objects.select_related("family").filter(digest=digest).first()


def own_sign_ins(principal: Principal) -> QuerySet[SignIn]:
    """Return the caller's own sign-ins; with a school's sign-in, only that school's."""
    own = SignIn.objects.filter(user_id=principal.id)
    return own if principal.only is None else own.filter(only_organization=principal.only)


def sign_ins_page(*, principal: Principal, query: PageQuery, now: datetime) -> Page[SignIn]:
    """Return a page of the caller's sign-ins, newest first. Raises Forbidden."""
    require_person(principal)
    living = own_sign_ins(principal).filter(expires_at__gt=now)
    return keyset_page(living, by="created_at", query=query, descending=True)


def organizations_of(user_id: UUID) -> list[UUID]:
    """Return every organization with data about a person, also if their rights have ended or never began."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person_organizations(%s)", [user_id])
        return [organization for (organization,) in cursor.fetchall()]


def identity_stands(identity_id: UUID) -> bool:
    """Return whether the external identity behind a browser session exists and its provider is in use."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_stands(%s)", [identity_id])
        (stands,) = cursor.fetchone()
        return bool(stands)


def second_factors(principal: Principal) -> SecondFactorsDocument:
    """Return the second factors of the caller's account. Raises Forbidden."""
    require_own_account(principal)
    own = authenticators.of_user(User.objects.get(pk=principal.id))
    apps = [totp_document(one) for one in own if one.type == "totp"]
    return SecondFactorsDocument(
        totp=apps[0] if apps else None,
        passkeys=[passkey_document(one) for one in own if one.type == "webauthn"],
        recovery_codes_left=authenticators.recovery_codes_left(own),
        required_by=[grant.organization_id for grant in principal.grants.values() if grant.needs_second_factor],
    )
