"""The audit trail: one row for each change, in the writer's own transaction; and one for each refused attempt.

Rows are written without a hash and never wait for anything: the relay adds them to the hash chain later (`chain.py`).
Personal data, a name and an address, is stored outside the chain and can be erased; the chain has a salted digest.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection
from django.utils import timezone

from apps.common.access import Principal, PrincipalKind
from apps.common.audit.refusals import Refusals
from apps.common.db.ids import new_id
from apps.common.models import AuditEntry, AuditPersonal
from apps.common.observability import request_ids

Value = str | int | bool | None


class Action(StrEnum):
    """The action of an entry. Each app lists its own in `audit_actions.py`.

    Values are stored, hash-chained and searched for, so they never change.
    """


class CommonAction(Action):
    """Actions of code without a domain."""

    REQUEST_REFUSED = "request.refused"
    RETENTION_THINNED = "retention.thinned"


DONE: Final = "done"
REFUSED: Final = "refused"
_refusals: Final = Refusals()
_canonical: Final = msgspec.json.Encoder(order="deterministic")


_address: ContextVar[str | None] = ContextVar("audit_address", default=None)


@contextmanager
def coming_from(address: str) -> Iterator[None]:
    """Record this address in all entries that are written inside the block."""
    token = _address.set(address)
    try:
        yield
    finally:
        _address.reset(token)


def record(
    *,
    actor: Principal,
    action: Action,
    target_kind: str,
    target_id: UUID | None,
    organization_id: UUID | None,
    outcome: str = DONE,
    **detail: Value,
) -> None:
    """Write an entry that `actor` did `action`, or was refused it, according to `outcome`.

    Repeats of a refusal are collapsed: see `refusals.py`. No personal data or secrets in `detail`.
    """
    address = _address.get()
    actor_id = actor.id if actor.is_authenticated else None
    if outcome == REFUSED:
        who = (organization_id, actor_id)
        what = (action, *((None, None) if actor.is_authenticated else (target_id, address)), *detail.items())
        times = _refusals.times(who, what, timezone.now())
        if times is None:
            return
        if times > 1:
            detail["times"] = times
    entry = AuditEntry(
        id=new_id(),
        organization_id=organization_id,
        at=timezone.now(),
        actor_kind=actor.kind,
        actor_id=actor_id,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        outcome=outcome,
        detail=detail,
        request_id=request_ids.current(),
    )
    personal = _personal(entry, actor, address)
    if personal:
        entry.personal_digest = personal_digest(bytes(personal.salt), personal.values)
    AuditEntry.objects.bulk_create([entry])
    if personal:
        AuditPersonal.objects.bulk_create([personal])


def forget(person: UUID) -> int:
    """Erase a person's name and addresses from the trails of all organizations; return the number of entries.

    Their actions stay, under their id, and the chain stays valid.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget(%s)", [person])
        row: tuple[int] = cursor.fetchone()
    return row[0]


def personal_digest(salt: bytes, values: Mapping[str, object]) -> bytes:
    """Return the digest of personal values for the chain: salted, since addresses and names can be guessed."""
    return sha256(salt + canonical(values)).digest()


def canonical(value: object) -> bytes:
    """Encode a value as canonical JSON: sorted keys, no spaces, UTF-8; bytes as base64."""
    return _canonical.encode(value)


def _personal(entry: AuditEntry, actor: Principal, address: str | None) -> AuditPersonal | None:
    """Return a person's name and address; for an anonymous caller the address, as data about the user they named."""
    if actor.kind not in (PrincipalKind.PERSON, PrincipalKind.ANONYMOUS):
        return None
    values = {name: value for name, value in {"address": address, "name": actor.name}.items() if value}
    if not values:
        return None
    named = entry.target_id if entry.target_kind == "user" else None
    about = actor.id if actor.kind is PrincipalKind.PERSON else named
    return AuditPersonal(
        entry_id=entry.id,
        organization_id=entry.organization_id,
        person_id=about,
        salt=secrets.token_bytes(16),
        values=values,
    )
