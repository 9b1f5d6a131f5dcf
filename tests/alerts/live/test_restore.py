"""A database that loses commits while programs run: connected screens and gateways resync, and miss no new event.

The owner of the tables makes the changes that a restore would make to the feed.
"""

from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connections

from apps.accounts.models import Role
from apps.common import feed, valkey
from apps.common.db.scope import system_scope
from apps.common.feed import bus
from apps.common.feed.relay import notice_restore
from tests.kit.feed import feed_seqs
from tests.kit.listener import Listener, listening
from tests.kit.patience import until
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert, raise_alerts, raised
from tests.kit.school import School
from tests.kit.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def screens(server: Server, school: School, operator: Person) -> Iterator[list[Listener]]:
    """An operator, an admin and the gateway, connected and up to date with one alert."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with (
        listening(server, operator.token) as first,
        listening(server, admin.token) as second,
        listening(server, school.gateway_token, path="/ws/edge") as gateway,
    ):
        first.start()
        second.start()
        gateway.say({"type": "resume", "cursor": None})
        raise_alert(school)
        found = [first, second, gateway]
        assert [screen.next()["type"] for screen in found] == ["alert.created"] * len(found)
        yield found


def lose(organization: UUID, after: int) -> None:
    """Delete the events after a number, as if they had never been committed."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM feed_events WHERE organization_id = %s AND seq > %s", [organization, after])
        cursor.execute(
            "UPDATE organization_heads SET seq = %s, public_seq = least(public_seq, %s) WHERE organization_id = %s",
            [after, after, organization],
        )


def until_created(screen: Listener) -> list[Any]:
    """Return the messages up to the next alert."""
    messages = [screen.next()]
    while messages[-1]["type"] != "alert.created":
        messages.append(screen.next())
    return messages


@pytest.mark.parametrize("meanwhile", [0, 1, 5], ids=lambda count: f"{count} alerts after the restore")
def test_screens_resync_after_lost_commits_and_receive_the_next_alert(
    school: School, screens: list[Listener], meanwhile: int
) -> None:
    """Whether the head is still below the screen's cursor or new events have already passed it."""
    (kept,) = feed_seqs(school)
    raise_alert(school)
    (lost,) = {screen.next()["seq"] for screen in screens}
    lose(school.organization, kept)
    if meanwhile:
        raise_alerts(school, *(raised(school) for _ in range(meanwhile)))
    for screen in screens:
        messages = [screen.next()]
        assert messages[0]["type"] == "resync" and messages[0]["seq"] != lost
    alert = raise_alert(school)
    for screen in screens:
        while (message := screen.next()).get("alert", {}).get("id") != str(alert):
            assert message["type"] == "alert.created", "at most the alerts of the new history"


def test_every_client_resyncs_when_the_epoch_is_renewed(school: School, screens: list[Listener]) -> None:
    """For a restore that cannot be detected in any other way, operators run this command."""
    with system_scope():
        before = feed.epoch()
    call_command("renew_feed_epoch", stdout=StringIO())
    for screen in screens:
        resync = screen.next()
        assert resync["type"] == "resync" and resync["epoch"] != str(before)
    alert = raise_alert(school)
    for screen in screens:
        assert until_created(screen)[-1]["alert"]["id"] == str(alert)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["nothing since", "an alert since"])
def test_relay_renews_the_epoch_when_published_events_are_missing(
    school: School, operator: Person, *, meanwhile: bool
) -> None:
    """A copied data folder has the same identity: only previously published events reveal that it is older."""
    raise_alert(school)
    with system_scope():
        epoch = feed.epoch()
    key, name = bus.published_key(epoch), str(school.organization)
    until(lambda: valkey.client().hget(key, name) is not None)
    notice_restore()
    with system_scope():
        assert feed.epoch() == epoch, "nothing is missing"
    remembered = valkey.client().hget(key, name)
    lose(school.organization, 0)
    if meanwhile:
        raise_alert(school)
        until(lambda: valkey.client().hget(key, name) != remembered)
        valkey.client().hset(key, name, remembered)  # The relay of this server never lost its connection.
    notice_restore()
    with system_scope():
        assert feed.epoch() != epoch
    notice_restore()
