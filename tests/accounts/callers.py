"""Callers of the API, as an app or in a browser."""

from uuid import UUID

from django.test import Client

from apps.accounts.identity.sign_in import services as sign_in
from apps.common.db.scope import system_scope
from apps.common.models import AuditEntry
from tests.kit.people import PASSWORD, Person


def anonymous_client(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def app_of(person: Person, address: str, password: str = PASSWORD) -> Client:
    """A client that is signed in as the person through the API."""
    access = sign_in.login(email=person.email, password=password, address=address).access
    return Client(headers={"authorization": f"Bearer {access}"}, REMOTE_ADDR=address)


def audited(target: UUID, prefix: str = "account.") -> list[tuple[str, str]]:
    """Audit entries about a person in all organizations: action and kind of actor, oldest first."""
    with system_scope():
        entries = AuditEntry.objects.filter(target_id=target, action__startswith=prefix).order_by("at", "id")
        return [(entry.action, entry.actor_kind) for entry in entries]
