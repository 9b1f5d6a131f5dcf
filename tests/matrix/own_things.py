"""Words of the table about the caller's own account."""

from uuid import UUID

from django.utils import timezone

from apps.accounts.identity import proofs
from apps.accounts.mail.links import digest_of, new_secret
from apps.accounts.models import Invitation, Platform, Proof, ProofPurpose, Role, User
from apps.accounts.own_account import push
from apps.accounts.people import invitations
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM, Principal, PrincipalKind
from apps.common.db.scope import tenant_scope
from tests.kit.people import PersonFactory
from tests.kit.school import School
from tests.matrix.things import email, thing, word


@thing
def invitation_secret(school: School) -> str:
    """Of an invitation to a person without an account."""
    with tenant_scope([school.organization]):
        invitation = invitations.invite(
            actor=SYSTEM,
            organization_id=school.organization,
            email=f"{word()}@school.example",
            held=RoleAt(Role.OPERATOR),
            now=timezone.now(),
        )
        return invitations.new_link_secret(Invitation.objects.get(id=invitation.id))


@thing
def reset_secret(school: School) -> str:
    """Of a person who has forgotten their password."""
    return _secret(school, ProofPurpose.PASSWORD, None)


@thing
def email_secret(school: School) -> str:
    """Of a person who is changing their e-mail address."""
    return _secret(school, ProofPurpose.EMAIL, f"{word()}@school.example")


@thing
def push_registration(school: School) -> UUID:
    """The phone of an operator of the school."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    principal = Principal(PrincipalKind.PERSON, person.id, person.name)
    with tenant_scope([school.organization]):
        made, _ = push.register(
            principal=principal, token=word(), platform=Platform.IOS, app_version="1", now=timezone.now()
        )
    return made.id


def _secret(school: School, purpose: ProofPurpose, value: str | None) -> str:
    secret, now = new_secret(), timezone.now()
    Proof.objects.create(
        user=User.objects.get(email=email(school)),
        purpose=purpose,
        value=value,
        digest=digest_of(secret),
        created_at=now,
        expires_at=now + proofs.VALID_FOR[purpose],
        sent_at=now,
    )
    return secret
