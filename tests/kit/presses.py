"""Presses as gateways report them to the cloud, and the alerts that they raise."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from django.utils import timezone

from apps.accounts.models import Role
from apps.accounts.rights.grants import person_principal
from apps.alerts import drills
from apps.alerts.ingest import service
from apps.alerts.ingest.messages import EventsAnswer
from apps.alerts.models import AlertKey
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from tests.kit.people import PersonFactory
from tests.kit.school import School

JsonObject = dict[str, object]


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def raised(school: School, *, alert_type: str = "medical", at: datetime | None = None, **changed: object) -> JsonObject:
    """Return `alert.raised` for a press on the school's first button, by default now."""
    device = str(changed.get("device", school.device))
    at = at or timezone.now()
    inst, seq = "a1b2c3d4", secrets.randbelow(2**31) + 1
    event: JsonObject = {
        "event_id": str(new_id()),
        "kind": "alert.raised",
        "at": rfc3339(at),
        "alert_id": f"{device}:{inst}:{seq}",
        "device": device,
        "inst": inst,
        "seq": seq,
        "room": str(school.room),
        "type": alert_type,
        "severity": "critical",
        "silent": False,
        "drill": False,
        "live": True,
        "hops": {"pressed_at": rfc3339(at), "arrived_at": rfc3339(at), "stored_at": rfc3339(at), "acted_at": None},
        "policy": 1,
    }
    return event | changed


def hops(pressed_at: datetime, *, earliest: datetime | None = None, latest: datetime | None = None) -> JsonObject:
    """Return the times at each hop of a press made between `earliest` and `latest`, by default at `pressed_at`."""
    return {
        "pressed_at": rfc3339(pressed_at),
        "arrived_at": rfc3339(pressed_at),
        "stored_at": None,
        "acted_at": None,
        "earliest_at": rfc3339(earliest or pressed_at),
        "latest_at": rfc3339(latest or pressed_at),
    }


def pressed_again(alert: JsonObject, *, at: datetime, **changed: object) -> JsonObject:
    """Return `alert.pressed_again` for a press at this moment, which a gateway joins to the alert of another event."""
    seq = secrets.randbelow(2**31) + 1
    event = {"event_id": str(new_id()), "kind": "alert.pressed_again", "at": rfc3339(at), "seq": seq, "hops": hops(at)}
    return alert | event | changed


def arm(school: School, *, device: str | None = None, at: datetime | None = None) -> None:
    """Arm a button for a drill as an admin, by default just before now."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with tenant_scope([school.organization]):
        principal = person_principal(admin.id)
        assert principal is not None
        drills.arm(
            principal=principal,
            organization=school.organization,
            device_id=device or school.device,
            now=at or timezone.now() - timedelta(seconds=1),
        )


def send(school: School, *events: object, at: datetime | None = None, sent_at: datetime | None = None) -> EventsAnswer:
    """Return the cloud's response to the gateway after commit; `at` is the cloud's time, `sent_at` the gateway's."""
    body: JsonObject = {"epoch": school.epoch, "events": events}
    if sent_at is not None:
        body["sent_at"] = rfc3339(sent_at)
    request = service.parse(msgspec.json.encode(body))
    with tenant_scope([school.organization]):
        return service.ingest(gateway=school.gateway_principal, request=request, received_at=at or timezone.now())


def raise_alert(school: School, *, alert_type: str = "medical", at: datetime | None = None, **changed: object) -> UUID:
    """Raise a new alert; return its UUID."""
    return raise_alerts(school, raised(school, alert_type=alert_type, at=at, **changed))[0]


def raise_alerts(school: School, *events: JsonObject) -> list[UUID]:
    """Raise new alerts; return their UUIDs in the order of their events."""
    answer = send(school, *events)
    assert [result.result for result in answer.results] == ["stored"] * len(events), answer
    with tenant_scope([school.organization]):
        names = [str(event["alert_id"]) for event in events]
        known = {key.alert_id: key.id for key in AlertKey.objects.filter(alert_id__in=names)}
    return [known[name] for name in names]


def alert_elsewhere(school: School) -> UUID:
    """An open one in the other building, reported by the gateway of that building."""
    with tenant_scope([school.organization]):
        gateway = devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name="Annex",
            public_key="none",
            buildings=[school.other_building],
        )
    return raise_alert(replace(school, gateway=gateway, device=school.other_device))
