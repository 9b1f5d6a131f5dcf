"""The feed: one order for an organization, without holes, in the order of commits; and the relay that carries it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

import msgspec
import pytest
import redis
from django.db import connections

from apps.common import feed, valkey
from apps.common.db.ids import new_id
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.feed import Audience, FeedMessage, bus
from apps.common.feed.relay import ADVISORY_LOCK, Relay, publish_unsent
from apps.devices.services import announce_troubles
from contracts.validation import problems
from tests.cloud.connections import at_once
from tests.cloud.server import start_relay, stop
from tests.patience import WAIT_SECONDS, until
from tests.valkey import valkey_away

WRITERS = 6
ROUNDS = 40


def announce(organization: UUID, text: str) -> None:
    payload = msgspec.json.encode({"text": text}).decode()
    feed.announce(organization_id=organization, kind="test.said", audience=Audience.STAFF, payload=payload)


def say(organization: UUID, *texts: str) -> None:
    """Commit what is said, in one transaction."""
    with tenant_scope([organization]):
        for text in texts:
            announce(organization, text)


def told(organization: UUID) -> list[str]:
    """What the feed has, in its order."""
    with tenant_scope([organization]):
        return [text_of(message) for message in feed.since(organization, 0, limit=10_000)]


def text_of(message: FeedMessage) -> str:
    return str(msgspec.json.decode(message.text)["text"])


def head(organization: UUID) -> int:
    with tenant_scope([organization]):
        return feed.heads().of(organization).seq


def assert_one_chain(organization: UUID, count: int) -> None:
    """Numbers only rise, and each event names the one before it, from the first to the head."""
    with tenant_scope([organization]):
        messages = feed.since(organization, 0, limit=10_000)
    seqs = [message.seq for message in messages]
    assert len(seqs) == count and seqs == sorted(set(seqs)) and head(organization) == seqs[-1]
    assert [message.envelope.previous for message in messages] == [0, *seqs[:-1]]


def test_a_message_is_what_was_announced() -> None:
    """The payload's members join the message, in one text that is encoded once."""
    organization = new_id()
    say(organization, "a \u0022quoted\u0022 word")
    with tenant_scope([organization]):
        (message,) = feed.since(organization, 0, limit=10)
    decoded = msgspec.json.decode(message.text)
    assert decoded.pop("at").endswith("Z")
    assert decoded == {
        "type": "test.said",
        "organization": str(organization),
        "seq": message.seq,
        "text": 'a "quoted" word',
    }
    assert FeedMessage.decode(organization, message.encode()) == message


def test_a_change_is_told_as_the_contract_says() -> None:
    """Which resource and which of it, for the staff, so that whoever shows it reads it again."""
    organization, room, building = new_id(), new_id(), new_id()
    with tenant_scope([organization]):
        feed.announce_change(organization_id=organization, resource="places", id=room, building_id=building)
    with tenant_scope([organization]):
        (message,) = feed.since(organization, 0, limit=10)
    assert problems("live", message.text.encode()) == []
    decoded = msgspec.json.decode(message.text)
    assert (decoded["type"], decoded["resource"], decoded["id"]) == ("changed", "places", str(room))
    assert (message.envelope.audience, message.envelope.building_id) == (Audience.STAFF, building)


def test_one_transaction_keeps_the_order_in_which_it_was_said() -> None:
    """Numbers go on from the last."""
    organization = new_id()
    say(organization, "one", "two", "three")
    say(organization, "four")
    assert told(organization) == ["one", "two", "three", "four"]
    assert_one_chain(organization, 4)


def test_a_number_is_the_time_of_its_writing() -> None:
    """So a gap between two numbers says nothing of what was written between them."""
    organization = new_id()
    before = time.time_ns() // 1000
    say(organization, "one", "two")
    after = time.time_ns() // 1000
    with tenant_scope([organization]):
        assert all(before <= message.seq <= after + 1 for message in feed.since(organization, 0, limit=10))


def test_the_public_head_is_of_events_that_all_of_the_staff_may_know_of() -> None:
    """Whatever else is announced, alone or in the same transaction, does not move it."""
    organization = new_id()
    say(organization, "for everybody")
    for audience in Audience:
        before = heads_of(organization)
        with tenant_scope([organization]):
            feed.announce(organization_id=organization, kind="test.said", audience=audience, payload='{"text":"x"}')
        after = heads_of(organization)
        assert (after.public_seq == after.seq) is (audience in feed.PUBLIC), audience
        assert audience in feed.PUBLIC or after.public_seq == before.public_seq
    with tenant_scope([organization]):
        for audience in (Audience.RESPONSE, Audience.STAFF):
            feed.announce(organization_id=organization, kind="test.said", audience=audience, payload='{"text":"x"}')
    together = heads_of(organization)
    assert together.seq == together.public_seq + 1, "the public one comes first, with the number it would have alone"


def heads_of(organization: UUID) -> feed.Head:
    with tenant_scope([organization]):
        return feed.heads().of(organization)


def test_a_cursor_of_another_history_is_unknown() -> None:
    """A number that no event has: of events that a restore lost, or that are not kept any more."""
    organization = new_id()
    say(organization, "one", "two", "three")
    with tenant_scope([organization]):
        first, second, third = (message.seq for message in feed.since(organization, 0, limit=10))
        for known in (0, first, second, third):
            feed.require_resumable(organization, known)
        for unknown in (1, first - 1, second + 1 if second + 1 != third else third + 1, third + 1):
            with pytest.raises(feed.UnknownCursor):
                feed.require_resumable(organization, unknown)
            with pytest.raises(feed.UnknownCursor):
                feed.since(organization, unknown, limit=10)


def test_what_is_rolled_back_leaves_neither_event_nor_hole() -> None:
    """By an error, and by a refusal that rolls back without one."""
    organization = new_id()
    say(organization, "before")
    with pytest.raises(ZeroDivisionError), tenant_scope([organization]):
        announce(organization, "never")
        _ = 1 / 0
    with tenant_scope([organization]):
        announce(organization, "never")
        connections["default"].set_rollback(True)
    say(organization, "after")
    assert told(organization) == ["before", "after"]
    assert_one_chain(organization, 2)


def test_the_feed_of_another_organization_cannot_be_written() -> None:
    """Row-level security holds for it as for any table."""
    mine, other = new_id(), new_id()
    with pytest.raises(Exception, match="row-level security"), tenant_scope([mine]):
        announce(other, "a lie")
    assert told(other) == [] and head(other) == 0


def test_concurrent_writers_leave_no_hole_and_commit_in_the_order_of_seq() -> None:
    """While others write, a reader that goes on from the last seq it saw never finds an earlier one afterwards."""
    organization = new_id()
    done = threading.Event()

    def write(writer: int) -> list[str]:
        said = [f"{writer}/{number}" for number in range(ROUNDS)]
        for text in said:
            say(organization, text)
        return said

    def read() -> list[str]:
        seen: list[FeedMessage] = []
        while True:
            last_look = done.is_set()
            with tenant_scope([organization]):
                seen += feed.since(organization, seen[-1].seq if seen else 0, limit=1000)
            if last_look:
                return [text_of(message) for message in seen]

    with_reader: list[list[str]] = []
    reader = threading.Thread(target=lambda: with_reader.append(at_once([read])[0]))
    reader.start()
    said = at_once([partial(write, writer) for writer in range(WRITERS)])
    done.set()
    reader.join()
    assert_one_chain(organization, WRITERS * ROUNDS)
    assert with_reader == [told(organization)], "a committed event appeared behind the reader"
    for texts in said:
        assert [text for text in told(organization) if text in set(texts)] == texts


def test_a_writer_that_waits_does_not_hold_up_others_before_its_commit() -> None:
    """The head is locked at the very end: work that takes long keeps nobody from committing meanwhile."""
    organization = new_id()
    with tenant_scope([organization]):
        announce(organization, "began first, committed last")
        at_once([lambda: say(organization, "began later, committed first")])
    assert told(organization) == ["began later, committed first", "began first, committed last"]


@pytest.mark.parametrize("reverse", [False, True])
def test_several_organizations_in_one_transaction_do_not_deadlock(reverse: bool) -> None:
    """Heads are locked in sorted order, whatever order they were announced in; new heads too."""
    organizations = sorted((new_id() for _ in range(4)), reverse=reverse)

    def write(order: list[UUID]) -> None:
        for number in range(ROUNDS):
            with tenant_scope(order):
                for organization in order:
                    announce(organization, str(number))

    at_once([partial(write, order) for order in (organizations, organizations[::-1]) * 2])
    for organization in organizations:
        assert_one_chain(organization, 4 * ROUNDS)


@contextmanager
def listening(organization: UUID) -> Iterator[redis.client.PubSub]:
    """Subscribed to what the relay publishes of one organization."""
    with valkey.client().pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(bus.feed_channel(organization))
        assert channel.get_message(timeout=WAIT_SECONDS) is None  # the confirmation, which is left out
        yield channel


def heard(channel: redis.client.PubSub, organization: UUID) -> list[str]:
    """All that has arrived by now."""
    found = []
    while (message := channel.get_message(timeout=0.2)) is not None:
        found.append(text_of(FeedMessage.decode(organization, message["data"])))
    return found


def publish_all() -> None:
    while publish_unsent():
        pass


def unsent(organization: UUID) -> int:
    with system_scope():
        return sum(message.organization_id == organization for message in feed.unsent(limit=100_000))


def test_what_was_committed_is_published_once_and_in_order() -> None:
    """Then it is out of the outbox, and not published again."""
    organization = new_id()
    publish_all()
    with listening(organization) as channel:
        say(organization, "one", "two")
        say(organization, "three")
        publish_all()
        assert heard(channel, organization) == ["one", "two", "three"]
        publish_all()
        assert heard(channel, organization) == []
    assert unsent(organization) == 0


def test_with_the_bus_gone_nothing_leaves_the_outbox() -> None:
    """Writers commit all the same; what waited is published in order as soon as the bus is back."""
    organization = new_id()
    publish_all()
    with listening(organization) as channel:
        with valkey_away():
            say(organization, "one")
            with pytest.raises(redis.RedisError):
                publish_unsent()
            say(organization, "two")
            assert unsent(organization) == 2
        publish_all()
        assert heard(channel, organization) == ["one", "two"]
    assert unsent(organization) == 0


@pytest.mark.slow
def test_thousands_of_troubles_in_one_transaction_are_one_query() -> None:
    """As when every gateway of the platform falls silent at once."""
    organization = new_id()
    with tenant_scope([organization]):
        for _ in range(20_000):
            announce_troubles("device.trouble", [new_id()])
        announce(organization, "after all of them")
    assert told(organization) == ["after all of them"]


@pytest.mark.slow
def test_a_relay_carries_what_is_said_while_it_runs() -> None:
    """It is poked after a commit, and stops when it is told to."""
    organization = new_id()
    stopping = threading.Event()
    relay = threading.Thread(target=lambda: at_once([Relay(stopping.is_set).run]))
    relay.start()
    try:
        until(lambda: leaders() == 1)
        with listening(organization) as channel:
            say(organization, "while it runs")
            message = channel.get_message(timeout=WAIT_SECONDS)
            assert message is not None
            assert text_of(FeedMessage.decode(organization, message["data"])) == "while it runs"
        until(lambda: unsent(organization) == 0)
    finally:
        stopping.set()
        relay.join()
    until(lambda: leaders() == 0)


@pytest.mark.slow
def test_a_relay_that_was_told_to_stop_lets_another_lead() -> None:
    """Also where its process goes on with something else."""
    asked = iter([False, False, True, True])
    Relay(lambda: next(asked)).run()
    until(lambda: leaders() == 0)


@pytest.mark.slow
def test_a_second_relay_waits_and_takes_over_from_a_killed_one() -> None:
    """One leads; so no event is published by two, and none waits for a dead one."""
    organization = new_id()
    first = start_relay(PGAPPNAME="a relay 1")
    second = None
    try:
        until(lambda: leaders() == 1)
        second = start_relay(PGAPPNAME="a relay 2")
        until(lambda: candidates() == 2)
        assert leaders() == 1
        with listening(organization) as channel:
            say(organization, "under the first")
            until(lambda: unsent(organization) == 0)
            assert heard(channel, organization) == ["under the first"]
            first.kill()
            first.wait()
            say(organization, "under the second")
            until(lambda: unsent(organization) == 0)
            assert heard(channel, organization) == ["under the second"]
    finally:
        for process in (first, second):
            if process is not None:
                stop(process)


def leaders() -> int:
    """How many hold the leader's lock."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted", [ADVISORY_LOCK]
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def candidates() -> int:
    """How many relays of this test are connected."""
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name LIKE 'a relay %'"
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])
