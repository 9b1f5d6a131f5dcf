"""Who there is, and who belongs where; inside the caller's scope."""

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import Membership, MembershipScope, Role, User
from apps.common import audit
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
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(errors={"password": error.messages}) from None
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise EmailTaken() from None
    audit.record(actor=actor, action="user.created", target_kind="user", target_id=user.id, organization_id=None)
    return user


def add_membership(
    *,
    user: User,
    organization_id: UUID,
    role: Role,
    scope: MembershipScope = MembershipScope.ORGANIZATION,
    actor: Principal | None = None,
) -> Membership:
    """Give a person a role in an organization of the caller's scope. Raises AlreadyMember."""
    try:
        with transaction.atomic():
            membership = Membership.objects.create(
                user=user, organization_id=organization_id, role=role, scope=scope, created_at=timezone.now()
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
    return membership
