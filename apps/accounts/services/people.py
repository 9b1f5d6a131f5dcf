"""Who there is, and who belongs where; inside the caller's scope."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import Membership, MembershipScope, Role, User
from apps.accounts.names import folded
from apps.common import audit, feed
from apps.common.access import Principal
from apps.common.problems import Conflict, Invalid


class EmailTaken(Conflict):
    """A person with this e-mail exists."""

    code = "email_taken"
    default_detail = "This e-mail address can not be used."


class AlreadyMember(Conflict):
    """The person has a role in this organization."""

    code = "already_member"
    default_detail = "This person belongs to the organization already."


def create_user(
    *,
    email: str,
    password: str | None,
    first_name: str | None = None,
    last_name: str | None = None,
    is_super_admin: bool = False,
    actor: Principal | None = None,
) -> User:
    """A new person, in no organization yet; without a password they can not sign in by one.

    Raises Invalid (the password is too weak), EmailTaken. Runs inside the caller's scope.
    """
    user = User(email=email.strip(), first_name=first_name, last_name=last_name, is_super_admin=is_super_admin)
    choose_password(user, password)
    keep(user, actor=actor)
    return user


def choose_password(user: User, password: str | None) -> None:
    """Hash it, which takes a quarter of a second, so before a transaction where there is a choice. Raises Invalid."""
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(errors={"password": error.messages}) from None
    user.set_password(password)


def keep(user: User, *, actor: Principal | None = None) -> None:
    """Store a new person. Raises EmailTaken."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise EmailTaken() from None
    audit.record(actor=actor, action="user.created", target_kind="user", target_id=user.id, organization_id=None)


def add_membership(
    *,
    user: User,
    organization_id: UUID,
    role: Role,
    scope: MembershipScope = MembershipScope.ORGANIZATION,
    trigger_only: bool = False,
    expires_at: datetime | None = None,
    actor: Principal | None = None,
) -> Membership:
    """Give a person a role in an organization of the caller's scope. Raises AlreadyMember.

    With `trigger_only`, which needs `expires_at`, it is a day account. What a seed makes has nobody yet to be told.
    """
    try:
        with transaction.atomic():
            membership = Membership.objects.create(
                user=user,
                organization_id=organization_id,
                role=role,
                scope=scope,
                created_at=timezone.now(),
                name=user.full_name,
                name_key=folded(user.full_name),
                trigger_only=trigger_only,
                expires_at=expires_at,
            )
    except IntegrityError:
        raise AlreadyMember() from None
    audit.record(
        actor=actor,
        action="membership.added",
        target_kind="user",
        target_id=user.id,
        organization_id=organization_id,
        role=role,
        scope=scope,
    )
    if actor is not None:
        feed.announce_change(organization_id=organization_id, resource="people", id=user.id)
    return membership
