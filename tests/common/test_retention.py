"""Retention: expired data is purged, but never an event that a cursor can still reach or that is unpublished."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from apps.alerts import drills
from apps.alerts.models import DrillArm
from apps.common import feed, retention
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.common.retention import Months, Rows, Rule
from apps.common.tasks import apply_retention
from apps.devices.models import GatewayAssertion, GatewayEvent
from tests.kit.presses import arm, raise_alert, raised, send
from tests.kit.school import School


def owner(statement: str, *params: object) -> None:
    """Run SQL as the owner, to simulate the passage of time."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, [*params])  # type: ignore[list-item]


def fill(organization: UUID, events: int) -> None:
    owner(
        "INSERT INTO feed_events (organization_id, seq, previous, kind, audience, payload, created_at, sent_at)"
        " SELECT %s, n, n - 1, 'changed', 'staff', '{}', now() - interval '31 days', now()"
        " FROM generate_series(1, %s) n",
        organization,
        events,
    )
    owner(
        "INSERT INTO organization_heads (organization_id, seq, public_seq) VALUES (%s, %s, %s)",
        organization,
        events,
        events,
    )


def remaining(organization: UUID) -> list[int]:
    with tenant_scope([organization]):
        return [event.seq for event in feed.since(organization, 0, limit=100_000)]


def rule(subject: str) -> Rule:
    (found,) = (one for one in retention.registered() if one.subject == subject)
    return found


def entries(subject: str) -> list[AuditEntry]:
    """Return the audit entries of purges, oldest first."""
    with system_scope():
        return list(AuditEntry.objects.filter(action="retention.thinned", target_kind=subject).order_by("at"))


def test_cursor_is_unknown_when_later_events_were_purged(school: School) -> None:
    """A cursor before purged events is unknown, so its reader resyncs; a cursor at the head always stays known."""
    organization = school.organization
    fill(organization, 100)
    owner("UPDATE feed_events SET created_at = now() WHERE organization_id = %s AND seq > 90", organization)
    owner("UPDATE feed_events SET sent_at = NULL WHERE organization_id = %s AND seq = 40", organization)
    apply_retention()
    assert remaining(organization) == [40, *range(91, 101)]
    with tenant_scope([organization]):
        for known in (91, 95, 100):
            feed.require_resumable(organization, known)
        for unknown in (0, 40, 90):
            with pytest.raises(feed.UnknownCursor):
                feed.require_resumable(organization, unknown)
    owner("UPDATE feed_events SET created_at = now() - interval '31 days' WHERE organization_id = %s", organization)
    owner("UPDATE feed_events SET sent_at = now() WHERE organization_id = %s", organization)
    apply_retention()
    with tenant_scope([organization]):
        feed.require_resumable(organization, 100)


@pytest.mark.parametrize("change", ["sent_at = NULL", "created_at = now()"])
def test_purge_keeps_unpublished_and_recent_events(school: School, change: str) -> None:
    fill(school.organization, 10)
    owner(f"UPDATE feed_events SET {change} WHERE organization_id = %s AND seq = 3", school.organization)
    apply_retention()
    assert remaining(school.organization) == [3, 10], "and the head"
    owner("UPDATE feed_events SET sent_at = now() WHERE organization_id = %s", school.organization)


def test_purge_is_audited_with_its_count(school: School) -> None:
    """By the platform itself, and only if something was deleted."""
    fill(school.organization, 8)
    now = timezone.now()
    deleted = retention.apply(rule("feed"), now=now)
    (*_, entry) = before = entries("feed")
    assert entry.detail == {"count": deleted, "before": now.isoformat()} and deleted >= 7
    assert (entry.actor_kind, entry.outcome) == ("system", "done")
    assert retention.apply(rule("feed"), now=now) == 0
    assert entries("feed") == before


def failing_rule(subject: str) -> Rows:
    """A rule that deletes one batch, and then fails."""
    batches = [retention.BATCH]

    def forget(*, before: datetime, limit: int) -> int:
        if not batches:
            raise OperationalError("canceling statement due to lock timeout")
        return batches.pop()

    return Rows(subject=subject, kept=timedelta(), since="now", source="this test", forget=forget)


def test_purge_that_fails_is_audited_with_what_it_deleted() -> None:
    subject = f"failing {secrets.token_hex(8)}"
    with pytest.raises(OperationalError):
        retention.apply(failing_rule(subject), now=timezone.now())
    assert [entry.detail["count"] for entry in entries(subject)] == [retention.BATCH]


def test_other_rules_are_applied_when_one_fails(school: School, caplog: pytest.LogCaptureFixture) -> None:
    fill(school.organization, 8)
    retention.apply_all((failing_rule("failing"), rule("feed")), now=timezone.now())
    assert remaining(school.organization) == [8]
    assert "the retention of failing failed" in caplog.text


def test_retired_month_is_audited() -> None:
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute("SELECT partition_ensure('alert_notes', '1991-03-01')")
    months = Months(subject="alert_notes", kept=24, source="this test")
    now = datetime(1993, 4, 1, tzinfo=UTC)
    assert retention.apply(months, now=now) == 1
    assert entries("alert_notes")[-1].detail == {"count": 1, "before": now.isoformat()}
    assert retention.apply(months, now=now) == 0


def test_gateway_event_is_recognized_as_a_repeat_for_90_days(school: School) -> None:
    """After that a press is still recognized by the names of its alert."""
    young, old = raised(school), raised(school)
    send(school, young, old)
    expire(school, str(old["event_id"]), timezone.now() - timedelta(days=91))
    apply_retention()
    with tenant_scope([school.organization]):
        assert [str(event.event_id) for event in GatewayEvent.objects.all()] == [young["event_id"]]
    assert [result.result for result in send(school, young, old).results] == ["repeat", "repeat"]


def test_drill_arm_is_deleted_when_no_press_can_match_it(school: School) -> None:
    now = timezone.now()
    for age in (drills.LOOKED_BACK + drills.ARMED_FOR, drills.LOOKED_BACK, timedelta()):
        arm(school, at=now - age)
    apply_retention()
    with tenant_scope([school.organization]):
        kept = [one.armed_at for one in DrillArm.objects.order_by("armed_at")]
    assert kept == [now - drills.LOOKED_BACK, now]


def test_expired_assertion_is_deleted(school: School) -> None:
    raise_alert(school)
    now = timezone.now()
    with tenant_scope([school.organization]):
        for jti, expires_at in (("used", now - timedelta(seconds=1)), ("valid", now + timedelta(minutes=1))):
            GatewayAssertion.objects.create(
                organization_id=school.organization, gateway_id=school.gateway, jti=jti, expires_at=expires_at
            )
    apply_retention()
    with tenant_scope([school.organization]):
        assert [one.jti for one in GatewayAssertion.objects.all()] == ["valid"]


def expire(school: School, event: str, at: datetime) -> None:
    owner("UPDATE gateway_events SET received_at = %s WHERE event_id = %s", at, event)
