"""Ownership of hardware ids, proved by the code that is printed in the box.

Platform operators load ids with their codes; a school registers a device by giving its code, once. Without this, a
school could register another school's device first, and its owner could not register it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection, connections

from apps.common import audit
from apps.common.access import SYSTEM
from apps.common.csv.tables import Column, Table
from apps.devices.audit_actions import AuditAction
from apps.devices.registration.device_table import claim_code, hardware_id


class Outcome(StrEnum):
    """The result of a claim."""

    CLAIMED = "claimed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ClaimLine(msgspec.Struct, frozen=True, kw_only=True):
    """A hardware id with the code in its box."""

    device_id: str
    code: str


CLAIMS: Final = Table(
    [Column("device_id", hardware_id, is_required=True), Column("code", claim_code, is_required=True)],
    ClaimLine,
    max_lines=100_000,
)


def load(lines: Iterable[ClaimLine]) -> int:
    """Store hardware ids with their codes, and return how many are new or have another code.

    Claimed ids do not change. For platform operators, in a system scope.
    """
    rows = [{"device_id": line.device_id, "code_hash": _hash(line.code)} for line in lines]
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO device_claims (device_id, code_hash)"
            " SELECT DISTINCT ON (device_id) device_id, decode(code_hash, 'hex')"
            " FROM jsonb_to_recordset(%s::jsonb) AS given(device_id text, code_hash text) ORDER BY device_id"
            " ON CONFLICT (device_id) DO UPDATE SET code_hash = excluded.code_hash"
            " WHERE device_claims.claimed_by IS NULL AND device_claims.code_hash <> excluded.code_hash",
            [msgspec.json.encode(rows).decode()],
        )
        written: int = cursor.rowcount
    audit.record(
        actor=SYSTEM,
        action=AuditAction.DEVICE_CLAIMS_LOADED,
        target_kind="platform",
        target_id=None,
        organization_id=None,
        loaded=written,
    )
    return written


def claim(*, organization_id: UUID, codes: Mapping[str, str | None]) -> dict[str, Outcome]:
    """Claim hardware ids with their codes for an organization, in the caller's transaction."""
    given = [{"device_id": one, "code_hash": None if code is None else _hash(code)} for one, code in codes.items()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT device_id, outcome FROM claim_devices(%s, %s::jsonb)",
            [organization_id, msgspec.json.encode(given).decode()],
        )
        return {device: Outcome(outcome) for device, outcome in cursor.fetchall()}


def is_accepted(outcome: Outcome) -> bool:
    """Return whether a device may be registered: an unknown one only where claims are not required."""
    return outcome is Outcome.CLAIMED or (outcome is Outcome.UNKNOWN and not settings.DEVICE_CLAIMS_REQUIRED)


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
