"""Verification reports every change to a hash-chained trail: the row, its position and the kind of change."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.db import DatabaseError, connections, transaction

from apps.common import audit
from apps.common.access import ANONYMOUS, SYSTEM
from apps.common.audit import chain
from apps.common.audit.verification import Fault
from apps.common.db.ids import new_id
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.tenancy.audit_actions import AuditAction
from tests.kit.trail import chain_all, entries, tamper, verify

MANY = 100_000
RENUMBERED = "UPDATE audit_entries SET seq = -seq WHERE organization_id = %s AND seq < 0"


def fill(organization: UUID, count: int = 9) -> list[UUID]:
    """Write a hash-chained trail and return the ids of its entries."""
    with tenant_scope([organization]):
        for number in range(count):
            audit.record(
                actor=SYSTEM,
                action=AuditAction.SITE_UPDATED,
                target_kind="site",
                target_id=new_id(),
                organization_id=organization,
                number=number,
            )
    chain_all()
    return [entry.id for entry in entries(organization)]


@pytest.fixture
def organization() -> UUID:
    return new_id()


@pytest.fixture
def trail(organization: UUID) -> list[UUID]:
    return fill(organization)


def shift(organization: UUID, first: int, by: int) -> None:
    """Renumber the entries from `first` on."""
    tamper(
        "UPDATE audit_entries SET seq = -(seq + %s) WHERE organization_id = %s AND seq >= %s", by, organization, first
    )
    tamper(RENUMBERED, organization)


def insert(organization: UUID, seq: int | None, at: str = "now()", digest: bytes | None = bytes(32)) -> UUID:
    """Insert a forged row and return its id."""
    forged = new_id()
    tamper(
        "INSERT INTO audit_entries (id, organization_id, at, actor_kind, action, target_kind, outcome, detail, seq,"
        f" sealed_at, hash) VALUES (%s, %s, {at}, 'person', 'site.deleted', 'site', 'done', '{{}}', %s,"
        " CASE WHEN %s IS NULL THEN NULL ELSE now() END, %s)",
        forged,
        organization,
        seq,
        seq,
        digest if seq else None,
    )
    return forged


def test_unchanged_trail_is_intact(organization: UUID, trail: list[UUID]) -> None:
    assert verify(organization) is None
    assert [entry.seq for entry in entries(organization)] == list(range(1, 10))


@pytest.mark.parametrize(
    "change",
    [
        "action = 'site.read'",
        "at = at + interval '1 microsecond'",
        "actor_id = gen_random_uuid()",
        "target_id = NULL",
        "outcome = 'refused'",
        "detail = '{}'",
        "request_id = 'another'",
        "personal_digest = sha256('x')",
        "sealed_at = sealed_at + interval '1 microsecond'",
        "hash = sha256('x')",
    ],
)
def test_changed_row_is_reported(organization: UUID, trail: list[UUID], change: str) -> None:
    tamper(f"UPDATE audit_entries SET {change} WHERE id = %s", trail[4])
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.CHANGED, 5, trail[4])


def test_removed_row_is_reported(organization: UUID, trail: list[UUID]) -> None:
    """By its position and the row that now follows the gap."""
    tamper("DELETE FROM audit_entries WHERE id = ANY (%s)", trail[3:5])
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.REMOVED, 4, trail[5])


@pytest.mark.parametrize("count", [1, 3])
def test_renumbering_does_not_hide_a_removed_row(organization: UUID, trail: list[UUID], count: int) -> None:
    tamper("DELETE FROM audit_entries WHERE id = ANY (%s)", trail[3 : 3 + count])
    shift(organization, 4, -count)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.REMOVED, 4, trail[3 + count])


def test_inserted_row_is_reported(organization: UUID, trail: list[UUID]) -> None:
    """With the rows after it renumbered."""
    shift(organization, 5, 1)
    forged = insert(organization, 5)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.INSERTED, 5, forged)


def test_valid_hash_does_not_hide_an_inserted_row(organization: UUID, trail: list[UUID]) -> None:
    shift(organization, 5, 1)
    forged = insert(organization, 5)
    before, made = (entry for entry in entries(organization) if entry.seq in (4, 5))
    if before.seq != 4:
        before, made = made, before
    assert before.hash is not None and made.sealed_at is not None
    right = chain.link(bytes(before.hash), made, seq=5, sealed_at=made.sealed_at)
    tamper("UPDATE audit_entries SET hash = %s WHERE id = %s", right, forged)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.INSERTED, 5, forged)


def test_backdated_row_is_reported(organization: UUID, trail: list[UUID]) -> None:
    """Before it is chained, and after."""
    forged = insert(organization, None, "now() - interval '3 days'")
    for _ in ("not chained yet", "chained"):
        found = verify(organization)
        assert found and (found.fault, found.position, found.entry) == (Fault.INSERTED, 10, forged)
        chain_all()


@pytest.mark.parametrize("other", [5, 8])
def test_swapped_rows_are_reported(organization: UUID, trail: list[UUID], other: int) -> None:
    tamper("UPDATE audit_entries SET seq = -(%s - seq) WHERE id = ANY (%s)", other + 5, [trail[3], trail[other]])
    tamper(
        "UPDATE audit_entries SET seq = CASE WHEN id = %s THEN -%s ELSE -4 END WHERE id = ANY (%s)",
        trail[3],
        other + 1,
        [trail[3], trail[other]],
    )
    tamper(RENUMBERED, organization)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.REORDERED, 4, trail[other])


def test_changed_personal_values_are_reported(organization: UUID) -> None:
    with tenant_scope([organization]), audit.coming_from("192.0.2.7"):
        audit.record(
            actor=ANONYMOUS,
            action=AuditAction.SITE_UPDATED,
            target_kind="user",
            target_id=new_id(),
            organization_id=organization,
        )
    chain_all()
    (entry,) = entries(organization)
    assert verify(organization) is None
    tamper("""UPDATE audit_personal SET values = '{"address": "192.0.2.8"}' WHERE entry_id = %s""", entry.id)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.CHANGED, 1, entry.id)


def test_application_and_relay_cannot_change_chained_rows(organization: UUID, trail: list[UUID]) -> None:
    """Only the relay sets the position of an entry, and only once."""
    for alias in ("default", "system"):
        for statement in ("UPDATE audit_entries SET seq = 99", "DELETE FROM audit_entries"):
            with pytest.raises(DatabaseError), transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                cursor.execute("SELECT set_config('safesignal.organizations', %s, true)", [f"{{{organization}}}"])
                cursor.execute(f"{statement} WHERE id = %s", [trail[0]])
    with pytest.raises(DatabaseError), system_scope(), connections["system"].cursor() as cursor:
        cursor.execute("UPDATE audit_entries SET detail = '{}' WHERE seq IS NULL")


def test_organizations_and_platform_have_separate_chains(organization: UUID, trail: list[UUID]) -> None:
    other = new_id()
    fill(other, 2)
    with tenant_scope([]):
        audit.record(
            actor=SYSTEM, action=AuditAction.SITE_UPDATED, target_kind="user", target_id=new_id(), organization_id=None
        )
    chain_all()
    assert [entry.seq for entry in entries(other)] == [1, 2]
    assert verify(other) is None
    assert verify(None) is None
    assert entries(None)[-1].seq is not None


@pytest.fixture
def hundred_thousand() -> Iterator[UUID]:
    organization = new_id()
    tamper(
        "INSERT INTO audit_entries (id, organization_id, at, actor_kind, actor_id, action, target_kind, target_id,"
        " outcome, detail, request_id) SELECT gen_random_uuid(), %s, now() - n * interval '1 microsecond', 'person',"
        " gen_random_uuid(), 'site.updated', 'site', gen_random_uuid(), 'done', jsonb_build_object('n', n), n::text"
        " FROM generate_series(1, %s) n",
        organization,
        MANY,
    )
    chain_all()
    yield organization
    tamper("DELETE FROM audit_entries WHERE organization_id = %s", organization)


@pytest.mark.slow
def test_changed_removed_and_inserted_row_are_found_among_100_000(hundred_thousand: UUID) -> None:
    """Each is nearer to the start than the one before, so that it is the first broken link."""
    organization = hundred_thousand
    assert verify(organization) is None

    def at(seq: int) -> UUID:
        with system_scope():
            return AuditEntry.objects.get(organization_id=organization, seq=seq).id

    changed = at(90_000)
    tamper("UPDATE audit_entries SET outcome = 'refused' WHERE id = %s", changed)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.CHANGED, 90_000, changed)

    tamper("DELETE FROM audit_entries WHERE organization_id = %s AND seq = 85_000", organization)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.REMOVED, 85_000, at(85_001))

    shift(organization, 80_000, 1)
    forged = insert(organization, 80_000)
    found = verify(organization)
    assert found and (found.fault, found.position, found.entry) == (Fault.INSERTED, 80_000, forged)
