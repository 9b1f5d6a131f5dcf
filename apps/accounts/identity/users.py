"""Accounts: creation, locking for changes, and audit records in each organization of their owner."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import User, UserStatus
from apps.common import audit, feed
from apps.common.access import Principal
from apps.common.problems import Conflict, Invalid, Unauthenticated

NOWHERE: Final = ".invalid"
"""Domain of placeholder addresses (RFC 2606, 2), for day accounts and erased people."""


def address_of(user: User) -> str | None:
    """Return the person's e-mail address; None if they have none."""
    return None if user.email.endswith(NOWHERE) else user.email


class EmailTaken(Conflict):
    """A person with this e-mail exists."""

    code = "email_taken"
    default_detail = "This e-mail address can not be used."


def create_user(
    *,
    actor: Principal,
    email: str,
    password: str | None,
    first_name: str | None = None,
    last_name: str | None = None,
    is_super_admin: bool = False,
) -> User:
    """Create a person without an organization. Without a password they cannot sign in with one.

    Raises Invalid (the password is too weak), EmailTaken. Runs inside the caller's scope.
    """
    user = User(email=email.strip(), first_name=first_name, last_name=last_name, is_super_admin=is_super_admin)
    choose_password(user, password)
    keep(user, actor=actor)
    return user


def choose_password(user: User, password: str | None) -> None:
    """Validate and hash a password. Hashing takes 250 ms, so do it before a transaction if possible. Raises Invalid."""
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(errors={"password": error.messages}) from None
    user.set_password(password)


def keep(user: User, *, actor: Principal) -> None:
    """Store a new person. Raises EmailTaken."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise EmailTaken() from None
    audit.record(
        actor=actor, action=AuditAction.USER_CREATED, target_kind="user", target_id=user.id, organization_id=None
    )


def locked(user_id: UUID) -> User:
    """Return the account, locked until commit. Raises Unauthenticated if it was erased meanwhile."""
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id, status=UserStatus.ACTIVE).first()
    if user is None:
        raise Unauthenticated()
    return user


def record(
    *,
    actor: Principal,
    action: AuditAction,
    user_id: UUID | None,
    organizations: Iterable[UUID],
    outcome: str = audit.DONE,
    **detail: audit.Value,
) -> None:
    """Add a row to the audit trail of each organization of a user, or to the platform's if they have none."""
    trails: Sequence[UUID | None] = [*organizations] or [None]
    for organization in trails:
        audit.record(
            actor=actor,
            action=action,
            target_kind="user",
            target_id=user_id,
            organization_id=organization,
            outcome=outcome,
            **detail,
        )


def announce(person: Principal) -> None:
    """Publish that a person has changed, so that clients read them again."""
    for organization in person.grants:
        feed.announce_change(organization_id=organization, resource="people", id=person.id)
