"""What every change of an account shares. It is of no organization: each one that its owner belongs to is told."""

from uuid import UUID

from apps.accounts.models import User, UserStatus
from apps.common import audit, feed
from apps.common.access import Principal
from apps.common.problems import Unauthenticated


def locked(user_id: UUID) -> User:
    """The account, for one change at a time. Raises Unauthenticated for one that was erased meanwhile."""
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id, status=UserStatus.ACTIVE).first()
    if user is None:
        raise Unauthenticated()
    return user


def record(*, person: Principal, action: str, actor: Principal | None, **detail: str) -> None:
    """A row in the trail of each organization of the person; in the platform's own where they have none."""
    for organization in person.grants or [None]:
        audit.record(
            actor=actor,
            action=action,
            target_kind="user",
            target_id=person.id,
            organization_id=organization,
            **detail,
        )


def announce(person: Principal) -> None:
    """Have whoever shows the person read them again."""
    for organization in person.grants:
        feed.announce_change(organization_id=organization, resource="people", id=person.id)
