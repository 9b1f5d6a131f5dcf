"""Day accounts for substitutes: they can only raise alarms, and expire automatically.

Each is a separate account that is created for the day. If an address is given, the code is sent only there. It does not
become the account's address, since the recipient may already have an account of their own with it.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.accounts.identity import proofs, users
from apps.accounts.identity.users import NOWHERE
from apps.accounts.mail.budgets import spend
from apps.accounts.models import Membership, ProofPurpose, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import RoleAt, grant_places, require_places
from apps.common.access import Principal, require
from apps.common.db.ids import new_id
from apps.common.limits import Message
from apps.common.problems import Invalid, NotFound

USUAL: Final = timedelta(hours=12)
LONGEST: Final = timedelta(hours=24)
"""After this time a person who is still there needs another day account, or an invitation."""


def create(
    *,
    actor: Principal,
    organization_id: UUID,
    first_name: str,
    last_name: str,
    email: str | None,
    held: RoleAt,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[Membership, str | None]:
    """Create a day account and the code that signs in once; with `email` the code is sent there and not returned.

    `held` defines where it can raise alarms; its role is operator. Raises NotFound, Forbidden, Invalid,
    TooManyMessages.
    """
    require(actor, organization_id, "people", "create")
    require_places(organization_id, held)
    end = expires_at or now + USUAL
    if not now < end <= now + LONGEST:
        hours = int(LONGEST.total_seconds()) // 3600
        raise Invalid(errors={"expires_at": [f"Within the next {hours} hours."]})
    if email is not None:
        spend(Message.DAY_CODE, school=str(organization_id), recipient=email)
    id_ = new_id()
    user = User(id=id_, email=f"{id_}@day{NOWHERE}", first_name=first_name, last_name=last_name)
    users.choose_password(user, None)
    users.keep(user, actor=actor)
    membership = memberships.add_membership(
        user=user,
        organization_id=organization_id,
        role=held.role,
        scope=held.scope,
        trigger_only=True,
        expires_at=end,
        actor=actor,
    )
    grant_places(membership, held)
    if email is None:
        return membership, proofs.sign_in_code(user=user, expires_at=end, now=now)
    proofs.ask(user=user, purpose=ProofPurpose.SIGN_IN, value=email.strip(), now=now, expires_at=end)
    return membership, None


def end(*, actor: Principal, organization_id: UUID, user_id: UUID, if_match: str | None) -> None:
    """End a day account early: its tokens and its code stop working.

    Raises NotFound (also for a person without a day account), Forbidden, PreconditionFailed.
    """
    require(actor, organization_id, "people", "delete")
    own = Membership.objects.filter(organization_id=organization_id, user_id=user_id, trigger_only=True)
    if not own.exists():
        raise NotFound()
    memberships.end(actor=actor, user_id=user_id, organization_id=organization_id, if_match=if_match)
