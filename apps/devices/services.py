"""Writes of devices: registration, gateway policy, troubles."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import IntegrityError, connections, transaction
from psycopg.errors import ForeignKeyViolation

from apps.common import audit, feed
from apps.common.access import Principal, require
from apps.common.changes import record_change
from apps.common.db.ids import new_id
from apps.common.db.scope import current_scope
from apps.common.problems import Conflict, NotFound
from apps.devices import trouble_kinds
from apps.devices.audit_actions import AuditAction
from apps.devices.models import Device, DeviceStatus, Gateway, GatewayBuilding, GatewayRule

SEEN_PRECISION: Final = timedelta(seconds=5)
"""Maximum delay of `gateways.last_seen_at` behind the gateway's last batch or request."""

_RAISE_TROUBLE: Final = """
    WITH before AS (
        SELECT detail FROM troubles WHERE organization_id = %(organization)s AND kind = %(kind)s AND ended_at IS NULL
        AND gateway_id IS NOT DISTINCT FROM %(gateway)s AND device_id_text IS NOT DISTINCT FROM %(device)s
    )
    INSERT INTO troubles
        (id, organization_id, gateway_id, device_id_text, kind, detail, since, reported_at, is_public, building_id)
    VALUES (%(id)s, %(organization)s, %(gateway)s, %(device)s, %(kind)s, %(detail)s, %(since)s,
            clock_timestamp(), %(public)s, trouble_building(%(organization)s, %(gateway)s, %(device)s))
    ON CONFLICT (organization_id, gateway_id, device_id_text, kind) WHERE ended_at IS NULL
        DO UPDATE SET reported_at = excluded.reported_at, detail = excluded.detail
    RETURNING id, id = %(id)s, detail IS DISTINCT FROM (SELECT detail FROM before)
"""

_FEED_SQL: Final = "SELECT * FROM trouble_feed_rows(%s, %s::uuid[])"


class DeviceTaken(Conflict):
    """A hardware id is in use; the response does not reveal by which organization."""

    code = "device_taken"
    default_detail = "This device is registered already. Use the code in its box to claim it."


def record_gateway_seen(*, organization_id: UUID, gateway_id: UUID, at: datetime) -> None:
    """Record when a gateway was last heard, at most once per SEEN_PRECISION.

    Skips a locked row: the batch that holds the lock records the same.
    """
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE gateways SET last_seen_at = %s WHERE organization_id = %s AND id = ("
            " SELECT id FROM gateways WHERE organization_id = %s AND id = %s"
            " AND (last_seen_at IS NULL OR last_seen_at < %s) FOR NO KEY UPDATE SKIP LOCKED)",
            [at, organization_id, organization_id, gateway_id, at - SEEN_PRECISION],
        )


def raise_trouble(
    *,
    organization_id: UUID,
    gateway_id: UUID | None,
    device: str | None,
    kind: str,
    detail: str | None,
    since: datetime,
) -> bool:
    """Open a trouble and return whether it is new. `device` is a hardware id; None: the gateway, or the cloud itself.

    A further report while it is open confirms it; with another detail the trouble is announced again.
    """
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            _RAISE_TROUBLE,
            {
                "id": new_id(),
                "organization": organization_id,
                "gateway": gateway_id,
                "device": device,
                "kind": kind,
                "detail": detail,
                "since": since,
                "public": trouble_kinds.is_public(kind),
            },
        )
        ((trouble, is_new, is_changed),) = cursor.fetchall()
    if is_new or is_changed:
        announce_troubles("device.trouble", [trouble])
    return bool(is_new)


def clear_trouble(
    *, organization_id: UUID, gateway_id: UUID | None, device: str | None, kind: str, at: datetime
) -> bool:
    """End an open trouble and return whether there was one."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE troubles SET ended_at = %s WHERE organization_id = %s AND gateway_id IS NOT DISTINCT FROM %s"
            " AND device_id_text IS NOT DISTINCT FROM %s AND kind = %s AND ended_at IS NULL RETURNING id",
            [at, organization_id, gateway_id, device, kind],
        )
        row = cursor.fetchone()
    if row is not None:
        announce_troubles("device.recovered", [row[0]])
    return row is not None


def end_other_troubles(
    *, organization_id: UUID, gateway_id: UUID, standing: Iterable[tuple[str | None, str]], at: datetime
) -> None:
    """End the open troubles of a gateway that are not in `standing` (device, kind).

    Only kinds that gateways report, and only troubles that began before `at`: those that the cloud found stay open, and
    so do those that the gateway has reported since.
    """
    stands = msgspec.json.encode([{"device": device, "kind": kind} for device, kind in standing]).decode()
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE troubles SET ended_at = %s WHERE organization_id = %s AND gateway_id = %s AND ended_at IS NULL"
            " AND since < %s AND kind = ANY (%s) AND NOT EXISTS"
            " (SELECT FROM jsonb_to_recordset(%s::jsonb) AS s(device text, kind text)"
            "  WHERE s.kind = troubles.kind AND s.device IS NOT DISTINCT FROM troubles.device_id_text) RETURNING id",
            [at, organization_id, gateway_id, at, list(trouble_kinds.OF_GATEWAYS), stands],
        )
        ended = [row[0] for row in cursor.fetchall()]
    if ended:
        announce_troubles("device.recovered", ended)


def announce_troubles(kind: str, troubles: Sequence[UUID]) -> None:
    """Queue troubles for the feed, which reads them at commit."""
    (known,) = feed.rows_to_extend(_FEED_SQL, kind, 1)
    known.extend(troubles)


def register_gateway(
    *,
    actor: Principal,
    organization_id: UUID,
    name: str,
    public_key: str,
    buildings: Sequence[UUID],
    gateway_id: UUID | None = None,
) -> UUID:
    """Register a gateway for these buildings, identified by its P-256 public key (PEM).

    Pass `gateway_id` if the gateway's certificate, which names it, exists already. Raises NotFound, Forbidden.
    """
    require(actor, organization_id, "gateways", "create")
    gateway = Gateway.objects.create(
        id=gateway_id or new_id(), organization_id=organization_id, name=name, public_key=public_key
    )
    GatewayBuilding.objects.bulk_create(
        GatewayBuilding(organization_id=organization_id, gateway=gateway, building_id=building)
        for building in buildings
    )
    record_change(
        actor=actor,
        action=AuditAction.GATEWAY_REGISTER,
        target_kind="gateway",
        target_id=gateway.id,
        organization_id=organization_id,
        resource="gateways",
    )
    return gateway.id


def register_devices(*, actor: Principal, organization_id: UUID, rooms: Mapping[str, UUID], now: datetime) -> None:
    """Register active buttons, each with its hardware id and room.

    Raises Forbidden, DeviceTaken if one is registered here or elsewhere, NotFound if a room was deleted meanwhile.
    """
    require(actor, organization_id, "devices", "create")
    try:
        with transaction.atomic():
            devices = Device.objects.bulk_create(
                Device(
                    organization_id=organization_id,
                    device_id=device_id,
                    room_id=room,
                    status=DeviceStatus.ACTIVE,
                    provisioned_at=now,
                )
                for device_id, room in rooms.items()
            )
    except IntegrityError as error:
        if isinstance(error.__cause__, ForeignKeyViolation):
            raise NotFound() from None
        raise DeviceTaken() from None
    for device in devices:
        audit.record(
            actor=actor,
            action=AuditAction.DEVICE_REGISTER,
            target_kind="device",
            target_id=device.id,
            organization_id=organization_id,
        )
    feed.announce_change(organization_id=organization_id, resource="devices", id=organization_id)


def add_rule(
    *, actor: Principal, organization_id: UUID, key: int, pattern: str, alert_type: str, is_silent: bool = False
) -> None:
    """Add a rule: the alert type of a pattern on a key in this organization. Raises NotFound, Forbidden."""
    require(actor, organization_id, "configuration", "create")
    rule = GatewayRule.objects.create(
        organization_id=organization_id, key=key, pattern=pattern, alert_type=alert_type, is_silent=is_silent
    )
    record_change(
        actor=actor,
        action=AuditAction.RULE_CREATE,
        target_kind="gateway_rule",
        target_id=rule.id,
        organization_id=organization_id,
        resource="configuration",
    )
