"""A gateway's list of open troubles: troubles whose end was lost are ended, and no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.common import feed
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.times import rfc3339
from apps.devices.models import Trouble
from apps.devices.services import raise_trouble
from tests.kit.presses import send
from tests.kit.school import School

pytestmark = pytest.mark.slow


def status(at: datetime, troubles: list[dict[str, Any]] | None) -> dict[str, Any]:
    event: dict[str, Any] = {
        "event_id": str(new_id()),
        "kind": "gateway.status",
        "at": rfc3339(at),
        "versions": {"agent": "0.1.0"},
        "queue_depth": 0,
        "clock_offset_ms": None,
        "configuration": 1,
    }
    return event if troubles is None else {**event, "troubles": troubles}


def raise_all(school: School, since: datetime, *troubles: tuple[str | None, str]) -> None:
    with tenant_scope([school.organization]):
        for device, kind in troubles:
            raise_trouble(
                organization_id=school.organization,
                gateway_id=school.gateway,
                device=device,
                kind=kind,
                detail=None,
                since=since,
            )


def open_troubles(school: School) -> set[tuple[str | None, str]]:
    with tenant_scope([school.organization]):
        return set(Trouble.objects.filter(ended_at=None).values_list("device_id_text", "kind"))


def test_trouble_missing_from_the_gateways_list_ends(school: School) -> None:
    now = timezone.now()
    broker, clock = (None, "broker"), (school.device, "clock_suspect")
    raise_all(school, now - timedelta(minutes=5), broker, clock)
    standing = [{"device": school.device, "trouble": "clock_suspect", "since": rfc3339(now - timedelta(minutes=5))}]
    send(school, status(now, standing))
    assert open_troubles(school) == {clock}


def test_trouble_found_by_the_cloud_or_begun_later_stays(school: School) -> None:
    now = timezone.now()
    raise_all(school, now - timedelta(minutes=5), (None, "quarantined_event"), (None, "gateway_missing"))
    raise_all(school, now, (None, "broker"))
    send(school, status(now - timedelta(seconds=1), []))
    assert open_troubles(school) == {(None, "quarantined_event"), (None, "gateway_missing"), (None, "broker")}


def test_status_without_a_list_ends_nothing(school: School) -> None:
    now = timezone.now()
    raise_all(school, datetime(2026, 1, 1, tzinfo=UTC), (None, "broker"))
    send(school, status(now, None))
    assert open_troubles(school) == {(None, "broker")}


def test_trouble_ended_by_a_list_is_announced(school: School) -> None:
    now = timezone.now()
    raise_all(school, now - timedelta(minutes=5), (None, "broker"))
    send(school, status(now, []))
    with tenant_scope([school.organization]):
        kinds = [message.envelope.kind for message in feed.since(school.organization, 0, limit=100)]
    assert [kind for kind in kinds if kind.startswith("device.")] == ["device.trouble", "device.recovered"]
