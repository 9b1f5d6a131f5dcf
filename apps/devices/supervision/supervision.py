"""The sweep that raises a trouble when a gateway, button or process stops reporting, and ends it on its return.

Liveness is computed from `last_seen_at` under a lock on the gateway or device, so that a concurrent report and time-out
end in the right state: the next sweep reads the later one. While a gateway is missing, its buttons cannot be heard and
are left out. Many buttons that stop reporting at once are one trouble.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import redis
from django.db import connections

from apps.common.db.scope import system_scope
from apps.common.observability import heartbeats
from apps.devices import services
from apps.devices.trouble_kinds import (
    BUTTON_MISSING,
    BUTTONS_MISSING,
    GATEWAY_MISSING,
    RELAY_MISSING,
    SUPERVISED,
    WORKER_MISSING,
)

SWEEP: Final = "supervision"
SWEEP_EVERY: Final = timedelta(seconds=5)
GATEWAY_SILENCE: Final = timedelta(seconds=60)
"""A gateway answers each ping of its downlink, every 10 s, and sends its status with its events."""
FIRST_REPORT: Final = timedelta(minutes=15)
"""Time to install a gateway after its registration."""
MISSED_REPORTS: Final = 3
REPORT_INTERVAL: Final = {"mains": timedelta(seconds=60), "battery": timedelta(minutes=15)}
"""How often a button reports its health, by its power class."""
MANY_BUTTONS: Final = 10
"""This many missing buttons of a building, if at least half of its live ones, are one trouble."""
STALE: Final = timedelta(hours=24)
"""A trouble that a gateway has not reported again for this long ends: its agent may have died with it."""
PARTS: Final = {
    "relay": (RELAY_MISSING, timedelta(seconds=60), "The live feed is not being published: screens are slower."),
    "beat": (WORKER_MISSING, timedelta(seconds=120), "Background tasks do not run."),
}
"""Heartbeat -> kind of trouble, maximum silence, and the detail of the trouble."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A trouble that this sweep raises and ends."""

    organization: UUID
    gateway: UUID | None
    device: str | None
    kind: str


def sweep(now: datetime) -> None:
    """Raise and end the troubles of everything that is supervised. Safe to run at any time, by several at once."""
    with system_scope():
        _sweep_gateways(now)
    with system_scope():
        _sweep_buttons(now)
    with system_scope():
        _sweep_parts(now)
    with system_scope():
        _end_orphans(now)


def _sweep_gateways(now: datetime) -> None:
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT g.organization_id, g.id, coalesce(g.last_seen_at, g.created_at + %(first)s::interval),"
            " t.id IS NOT NULL FROM gateways g LEFT JOIN troubles t ON t.organization_id = g.organization_id"
            " AND t.gateway_id = g.id AND t.device_id_text IS NULL AND t.kind = %(kind)s AND t.ended_at IS NULL"
            " WHERE (coalesce(g.last_seen_at, g.created_at + %(first)s::interval)"
            "  < %(now)s::timestamptz - %(silence)s::interval AND g.status <> 'revoked') <> (t.id IS NOT NULL)"
            " ORDER BY g.id FOR NO KEY UPDATE OF g SKIP LOCKED",
            {"first": str(FIRST_REPORT), "kind": GATEWAY_MISSING, "now": now, "silence": str(GATEWAY_SILENCE)},
        )
        crossed = cursor.fetchall()
    for organization, gateway, seen, is_open in crossed:
        trouble = _Open(organization, gateway, None, GATEWAY_MISSING)
        if is_open:
            _end(trouble, now)
        else:
            _raise(trouble, "It does not report: presses in its buildings may not reach anybody outside.", seen)


@dataclass(frozen=True, slots=True)
class _Button:
    """A button that does not report, or did not until now."""

    organization: UUID
    gateway: UUID
    device: str
    seen: datetime
    is_silent: bool
    is_open: bool
    live: int
    """Number of supervised buttons in its building."""


_BUTTONS: Final = """
    WITH lines AS (
        SELECT b.building_id, bool_or(t.id IS NULL) AS is_heard, min(b.gateway_id::text)::uuid AS gateway_id,
               max((SELECT max(e.ended_at) FROM troubles e WHERE e.gateway_id = b.gateway_id
                    AND e.device_id_text IS NULL AND e.kind = %(gateway_missing)s)) AS back_at
        FROM gateway_buildings b LEFT JOIN troubles t ON t.gateway_id = b.gateway_id AND t.ended_at IS NULL
             AND t.device_id_text IS NULL AND t.kind = %(gateway_missing)s
        GROUP BY b.building_id
    ), buttons AS (
        SELECT d.organization_id, l.gateway_id, d.device_id, d.last_seen_at, d.status,
               greatest(d.last_seen_at, l.back_at) < %(now)s::timestamptz
                   - CASE d.power WHEN 'battery' THEN %(battery)s::interval ELSE %(mains)s::interval END AS is_silent,
               count(*) OVER (PARTITION BY l.building_id) AS live
        FROM devices d JOIN rooms r ON r.id = d.room_id JOIN floors f ON f.id = r.floor_id
             JOIN lines l ON l.building_id = f.building_id
        WHERE d.last_seen_at IS NOT NULL AND d.status IN ('active', 'offline') AND l.is_heard
    )
    SELECT b.organization_id, b.gateway_id, b.device_id, b.last_seen_at, b.is_silent, t.id IS NOT NULL, b.live
    FROM buttons b LEFT JOIN troubles t ON t.organization_id = b.organization_id AND t.gateway_id = b.gateway_id
         AND t.device_id_text = b.device_id AND t.kind = %(kind)s AND t.ended_at IS NULL
    WHERE b.is_silent OR b.status = 'offline' OR t.id IS NOT NULL
"""
"""Leaves out the buttons of a missing gateway; after its return they get the time of their reports again."""


def _sweep_buttons(now: datetime) -> None:
    mains, battery = (str(MISSED_REPORTS * REPORT_INTERVAL[power]) for power in ("mains", "battery"))
    names = {"gateway_missing": GATEWAY_MISSING, "kind": BUTTON_MISSING}
    with connections["system"].cursor() as cursor:
        cursor.execute(_BUTTONS, {**names, "now": now, "battery": battery, "mains": mains})
        found = [_Button(*row) for row in cursor.fetchall()]
        cursor.execute(
            "SELECT organization_id, gateway_id FROM troubles WHERE kind = %s AND ended_at IS NULL", [BUTTONS_MISSING]
        )
        together = {(organization, gateway) for organization, gateway in cursor.fetchall()}
    by_gateway: dict[tuple[UUID, UUID], list[_Button]] = {key: [] for key in together}
    for button in _locked(found):
        by_gateway.setdefault((button.organization, button.gateway), []).append(button)
    for key, buttons in by_gateway.items():
        _update_troubles(*key, buttons, now)


def _locked(buttons: list[_Button]) -> list[_Button]:
    """Lock the rows of these buttons and return those that are as they were read; the next sweep takes the others.

    Sets `devices.status` of the locked ones: `offline` for an active device that is missing.
    """
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT d.device_id FROM devices d JOIN unnest(%s::text[], %s::timestamptz[]) AS s(device_id, seen)"
            " ON d.device_id = s.device_id AND d.last_seen_at = s.seen"
            " ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED",
            [[one.device for one in buttons], [one.seen for one in buttons]],
        )
        locked = {row[0] for row in cursor.fetchall()}
        kept = [one for one in buttons if one.device in locked]
        cursor.execute(
            "UPDATE devices d SET status = s.status FROM unnest(%s::text[], %s::text[]) AS s(device_id, status)"
            " WHERE d.device_id = s.device_id AND d.status <> s.status",
            [[one.device for one in kept], ["offline" if one.is_silent else "active" for one in kept]],
        )
    return kept


def _update_troubles(organization: UUID, gateway: UUID, buttons: list[_Button], now: datetime) -> None:
    silent = [one for one in buttons if one.is_silent]
    live = max((one.live for one in silent), default=0)
    are_many = len(silent) >= MANY_BUTTONS and 2 * len(silent) >= live
    together = _Open(organization, gateway, None, BUTTONS_MISSING)
    if are_many:
        _raise(together, f"{len(silent)} of {live} buttons do not report.", min(one.seen for one in silent))
    else:
        _end(together, now)
    for one in buttons:
        trouble = _Open(organization, gateway, one.device, BUTTON_MISSING)
        if one.is_open and (not one.is_silent or are_many):
            _end(trouble, now)
        elif one.is_silent and not one.is_open and not are_many:
            _raise(trouble, "It does not report.", one.seen)


def _sweep_parts(now: datetime) -> None:
    """Supervise what runs once for all schools. Without Valkey, their heartbeats are unknown."""
    for name, (kind, silence, detail) in PARTS.items():
        try:
            seen = heartbeats.last(name)
        except redis.RedisError:
            return
        if seen is None:  # not within a day: `doctor` and /metrics report it to platform operators
            continue
        is_missing = seen < now - silence
        with connections["system"].cursor() as cursor:
            cursor.execute(
                "SELECT o.id FROM organizations o LEFT JOIN troubles t ON t.organization_id = o.id"
                " AND t.gateway_id IS NULL AND t.device_id_text IS NULL AND t.kind = %s AND t.ended_at IS NULL"
                " WHERE (t.id IS NOT NULL) <> %s ORDER BY o.id",
                [kind, is_missing],
            )
            crossed = [row[0] for row in cursor.fetchall()]
        for organization in crossed:
            trouble = _Open(organization, None, None, kind)
            if is_missing:
                _raise(trouble, detail, seen)
            else:
                _end(trouble, now)


def _end_orphans(now: datetime) -> None:
    """End troubles whose gateway or button is gone or has moved, and those that were not reported again.

    The reports of a missing gateway stay open.
    """
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "UPDATE troubles t SET ended_at = %(now)s::timestamptz WHERE t.ended_at IS NULL AND CASE"
            " WHEN t.kind = ANY (%(of_gateways)s) THEN t.gateway_id IS NULL"
            " WHEN t.kind = %(of_buttons)s THEN NOT EXISTS (SELECT 1 FROM devices d JOIN rooms r ON r.id = d.room_id"
            "  JOIN floors f ON f.id = r.floor_id JOIN gateway_buildings b ON b.building_id = f.building_id"
            "  WHERE d.organization_id = t.organization_id AND d.device_id = t.device_id_text"
            "  AND b.gateway_id = t.gateway_id AND d.status IN ('active', 'offline'))"
            " WHEN t.kind = ANY (%(supervised)s) THEN false"
            " ELSE coalesce(t.reported_at, t.since) < %(now)s::timestamptz - %(stale)s::interval"
            "  AND NOT EXISTS (SELECT 1 FROM troubles m WHERE m.gateway_id = t.gateway_id AND m.kind = %(missing)s"
            "  AND m.ended_at IS NULL) END RETURNING t.id",
            {
                "now": now,
                "of_gateways": [GATEWAY_MISSING, BUTTONS_MISSING],
                "of_buttons": BUTTON_MISSING,
                "supervised": list(SUPERVISED),
                "stale": str(STALE),
                "missing": GATEWAY_MISSING,
            },
        )
        ended = [row[0] for row in cursor.fetchall()]
    if ended:
        services.announce_troubles("device.recovered", ended)


def _raise(trouble: _Open, detail: str, since: datetime) -> None:
    services.raise_trouble(
        organization_id=trouble.organization,
        gateway_id=trouble.gateway,
        device=trouble.device,
        kind=trouble.kind,
        detail=detail,
        since=since,
    )


def _end(trouble: _Open, now: datetime) -> None:
    services.clear_trouble(
        organization_id=trouble.organization,
        gateway_id=trouble.gateway,
        device=trouble.device,
        kind=trouble.kind,
        at=now,
    )
