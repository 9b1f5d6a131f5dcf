"""When the cloud cannot write, it says so, stores nothing of the request, and accepts it on retry."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

import msgspec
import pytest
from django.db import connection, connections, transaction
from django.test import Client

from apps.common import feed
from apps.common.db.scope import tenant_scope
from tests.kit.presses import raised
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.usefixtures("database")


@contextmanager
def head_locked(organization: UUID) -> Iterator[None]:
    """Lock the row that every writer of the organization needs last; writers here wait 100 ms for it."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute("SELECT 1 FROM organization_heads WHERE organization_id = %s FOR UPDATE", [organization])
            assert cursor.fetchone() == (1,)
            yield
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # whichever of its connections that was: no later test has this limit


def post(school: School, *events: dict[str, object]) -> tuple[int, dict[str, object]]:
    client = Client(headers={"authorization": f"Bearer {school.gateway_token}"}, raise_request_exception=False)
    body = msgspec.json.encode({"epoch": school.epoch, "events": list(events)})
    answer = client.post("/api/v1/edge/events", body, content_type="application/json")
    return answer.status_code, msgspec.json.decode(answer.content)


@pytest.mark.slow
def test_batch_that_cannot_be_committed_is_refused_and_stored_on_retry() -> None:
    """A database error is never treated as an invalid event: a quarantined event would be dropped for ever."""
    school = SchoolFactory.create()
    first, second = raised(school), raised(school)
    assert post(school, first)[0] == HTTPStatus.OK
    with head_locked(school.organization):
        status, problem = post(school, second)
    assert (status, problem["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
    status, answer = post(school, second)
    assert status == HTTPStatus.OK
    assert [result["result"] for result in msgspec.convert(answer["results"], list[dict[str, object]])] == ["stored"]
    with tenant_scope([school.organization]):
        kinds = [message.envelope.kind for message in feed.since(school.organization, 0, limit=10)]
    assert kinds == ["alert.created", "alert.created"]
