"""Checks of `manage.py doctor` for gateways and buttons: how many report, and which do not."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, connections

from apps.common.db.scope import system_scope
from apps.common.operations.doctor_postgres import first_line
from apps.common.operations.findings import Finding, not_here, unwell, well

GATEWAY_LATE: Final = timedelta(minutes=15)
"""A gateway requests its configuration every 5 minutes, even when nothing happens."""
BUTTON_LATE: Final = timedelta(hours=1)
NAMED: Final = 5
"""Maximum number of names in a finding; its counts include the rest."""
LOOK_AT_GATEWAY: Final = "Check in its log whether it runs and reaches the cloud. It still acts in the building."
LOOK_AT_BUTTON: Final = "Press it in a walk test; check its power, and the network between it and its gateway."
GIVE_GATEWAY: Final = "Register a gateway for the building, or put the button into a room of a building that has one."

GATEWAYS: Final = """
    SELECT count(*), count(*) FILTER (WHERE NOT late),
        (array_agg(name ORDER BY name) FILTER (WHERE late))[1:%s]
    FROM (
        SELECT o.slug || '/' || g.name || coalesce(to_char(g.last_seen_at AT TIME ZONE 'UTC',
                '" (last heard "YYYY-MM-DD HH24:MI" UTC)"'), ' (never heard)') AS name,
            coalesce(g.last_seen_at < %s, true) AS late
        FROM gateways g JOIN organizations o ON o.id = g.organization_id WHERE g.status <> 'revoked'
    ) gateway
"""
BUTTONS: Final = """
    SELECT count(*), count(*) FILTER (WHERE last_seen_at >= %s), count(*) FILTER (WHERE last_seen_at IS NULL),
        (array_agg(name ORDER BY name) FILTER (WHERE last_seen_at < %s))[1:%s],
        count(*) FILTER (WHERE NOT has_gateway), (array_agg(name ORDER BY name) FILTER (WHERE NOT has_gateway))[1:%s]
    FROM (
        SELECT o.slug || '/' || d.device_id AS name, d.last_seen_at, EXISTS (
                SELECT FROM rooms r JOIN floors f ON f.id = r.floor_id
                JOIN gateway_buildings gb ON gb.building_id = f.building_id
                JOIN gateways g ON g.id = gb.gateway_id AND g.status <> 'revoked'
                WHERE r.id = d.room_id
            ) AS has_gateway
        FROM devices d JOIN organizations o ON o.id = d.organization_id
        WHERE d.device_type = 'button' AND d.status = 'active'
    ) button
"""
Counted = tuple[int, int, int, list[str] | None, int, list[str] | None]
"""Total, reporting, never reported; names of those that stopped; number without a gateway; their names."""


def examine(now: datetime) -> Iterator[Finding]:
    """Yield a finding for the gateways and one for the buttons of all organizations."""
    if "system" not in connections.databases:
        for name in ("gateways", "buttons"):
            yield not_here(name, "this process was not given the role safesignal_system")
        return
    try:
        with system_scope():
            findings = [_gateways(now), _buttons(now)]
    except DatabaseError as error:
        reason = f"PostgreSQL does not say: {first_line(error)}"
        findings = [not_here(name, reason) for name in ("gateways", "buttons")]
    yield from findings


def _gateways(now: datetime) -> Finding:
    with connections["system"].cursor() as cursor:
        cursor.execute(GATEWAYS, [NAMED, now - GATEWAY_LATE])
        row: tuple[int, int, list[str] | None] = cursor.fetchone() or (0, 0, None)
    total, reporting, missing = row
    detail = f"{reporting} of {total} report"
    if missing:
        return unwell("gateways", f"{detail}; missing: {_names(missing, of=total - reporting)}", LOOK_AT_GATEWAY)
    return well("gateways", detail)


def _buttons(now: datetime) -> Finding:
    late = now - BUTTON_LATE
    with connections["system"].cursor() as cursor:
        cursor.execute(BUTTONS, [late, late, NAMED, NAMED])
        row: Counted = cursor.fetchone() or (0, 0, 0, None, 0, None)
    total, reporting, never, missing, alone, without_gateway = row
    detail = f"{reporting} of {total} active report, {never} never did"
    if without_gateway:
        return unwell("buttons", f"{detail}; no gateway for {_names(without_gateway, of=alone)}", GIVE_GATEWAY)
    if missing:
        return unwell("buttons", f"{detail}; missing: {_names(missing, of=total - reporting - never)}", LOOK_AT_BUTTON)
    return well("buttons", detail)


def _names(names: Sequence[str], *, of: int) -> str:
    """Return the names, and the number of those left out."""
    more = of - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
