"""One id for a request, wherever it is recorded: response, log lines, audit row, feed event and tasks."""

from queue import Queue
from uuid import uuid4

import pytest
from celery.contrib.testing.worker import start_worker
from django.db import connections
from django.test import Client

from apps.accounts.models import Role
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from apps.common.observability import request_ids
from safesignal.celery import app
from tests.http.log_lines import Lines
from tests.kit.patience import WAIT_SECONDS
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School

pytestmark = pytest.mark.slow

ACKNOWLEDGE = "/api/v1/alerts/{}/acknowledge"

seen_by_the_task: Queue[str | None] = Queue()


@app.task(name="tests.tell_request_id")
def tell_request_id() -> None:
    seen_by_the_task.put(request_ids.current())


def test_request_id_of_the_caller_is_in_every_record_of_the_request(school: School, log: Lines) -> None:
    alert, request_id = raise_alert(school), f"phone-{uuid4()}"
    client = PersonFactory.create(role=Role.OPERATOR, organization=school.organization).client
    answer = client.put(ACKNOWLEDGE.format(alert), headers={"x-request-id": request_id})
    assert answer.status_code == 200
    assert answer["X-Request-ID"] == request_id
    with tenant_scope([school.organization]):
        entry = AuditEntry.objects.get(action="alert.acknowledge", organization_id=school.organization)
    assert entry.request_id == request_id
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT kind FROM feed_events WHERE request_id = %s", [request_id])
        assert cursor.fetchall() == [("alert.updated",)]
    assert [line["event"] for line in log.lines if line.get("request_id") == request_id] == ["request"]


def test_request_without_an_id_gets_a_new_one() -> None:
    answers = [Client().get("/health/live")["X-Request-ID"] for _ in range(2)]
    assert len(set(answers)) == 2 and all(len(one) == 36 for one in answers)


@pytest.mark.parametrize("sent", ["", "short", "x" * 65, "with space 12", "new\tline-1234", "ü" * 10, '"quoted-name"'])
def test_invalid_request_id_is_replaced(sent: str) -> None:
    answer = Client().get("/health/live", headers={"x-request-id": sent})["X-Request-ID"]
    assert answer != sent and len(answer) == 36


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/alerts%00", "/api/v1/alerts"])
def test_refusal_has_a_request_id(path: str) -> None:
    answer = Client().get(path, headers={"x-request-id": "refused-0001"})
    assert answer.status_code >= 400 and answer["X-Request-ID"] == "refused-0001"


def test_task_keeps_the_request_id_of_its_sender(database: None) -> None:
    """Through the real queue; a following task without a request has no id."""
    with start_worker(app, pool="solo", perform_ping_check=False):  # type: ignore[arg-type]
        with request_ids.bound("sent-by-0001"):
            tell_request_id.delay()
        assert seen_by_the_task.get(timeout=WAIT_SECONDS) == "sent-by-0001"
        tell_request_id.delay()
        assert seen_by_the_task.get(timeout=WAIT_SECONDS) is None
