"""The feed: one gapless order for each organization, in commit order, and the relay that publishes it."""

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
from tests.kit.concurrency import at_once
from tests.kit.patience import WAIT_SECONDS, until
from tests.kit.server import start_relay, stop
from tests.kit.valkey import valkey_away

WRITERS = 6
ROUNDS = 40


def announce(organization: UUID, text: str) -> None:
    payload = msgspec.json.encode({"text": text}).decode()
    feed.announce(organization_id=organization, kind="test.said", audience=Audience.STAFF, payload=payload)


def announce_all(organization: UUID, *texts: str) -> None:
    """Commit the announcements in one transaction."""
    with tenant_scope([organization]):
        for text in texts:
            announce(organization, text)


def feed_texts(organization: UUID) -> list[str]:
    """Return the feed events in order."""
    with tenant_scope([organization]):
        return [text_of(message) for message in feed.since(organization, 0, limit=10_000)]


def text_of(message: FeedMessage) -> str:
    return str(msgspec.json.decode(message.text)["text"])


def head(organization: UUID) -> int:
    with tenant_scope([organization]):
        return feed.heads().of(organization).seq


def assert_one_chain(organization: UUID, count: int) -> None:
    """Check that numbers only rise and each event names its predecessor, from the first to the head."""
    with tenant_scope([organization]):
        messages = feed.since(organization, 0, limit=10_000)
    seqs = [message.seq for message in messages]
    assert len(seqs) == count and seqs == sorted(set(seqs)) and head(organization) == seqs[-1]
    assert [message.envelope.previous for message in messages] == [0, *seqs[:-1]]


def test_feed_message_contains_the_announced_payload() -> None:
    """The payload's members become part of the message, which is encoded once."""
    organization = new_id()
    announce_all(organization, "a \u0022quoted\u0022 word")
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


def test_change_message_matches_the_contract() -> None:
    """It names the resource and its id, for the staff, so that clients that display it reload it."""
    organization, room, building = new_id(), new_id(), new_id()
    with tenant_scope([organization]):
        feed.announce_change(organization_id=organization, resource="places", id=room, building_id=building)
    with tenant_scope([organization]):
        (message,) = feed.since(organization, 0, limit=10)
    assert problems("live", message.text.encode()) == []
    decoded = msgspec.json.decode(message.text)
    assert (decoded["type"], decoded["resource"], decoded["id"]) == ("changed", "places", str(room))
    assert (message.envelope.audience, message.envelope.building_id) == (Audience.STAFF, building)


def test_announcements_of_one_transaction_keep_their_order() -> None:
    """Numbers continue from the last one."""
    organization = new_id()
    announce_all(organization, "one", "two", "three")
    announce_all(organization, "four")
    assert feed_texts(organization) == ["one", "two", "three", "four"]
    assert_one_chain(organization, 4)


def test_seq_is_derived_from_the_time_of_writing() -> None:
    """A gap between two numbers reveals nothing about events written between them."""
    organization = new_id()
    before = time.time_ns() // 1000
    announce_all(organization, "one", "two")
    after = time.time_ns() // 1000
    with tenant_scope([organization]):
        assert all(before <= message.seq <= after + 1 for message in feed.since(organization, 0, limit=10))


def test_public_head_counts_only_events_visible_to_all_staff() -> None:
    """Other announcements, alone or in the same transaction, do not move it."""
    organization = new_id()
    announce_all(organization, "for everybody")
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
    assert together.seq == together.public_seq + 1, "the public event comes first, with the number it would have alone"


def heads_of(organization: UUID) -> feed.Head:
    with tenant_scope([organization]):
        return feed.heads().of(organization)


def test_cursor_of_another_history_is_unknown() -> None:
    """A number of no event: the event was lost in a restore or is no longer kept."""
    organization = new_id()
    announce_all(organization, "one", "two", "three")
    with tenant_scope([organization]):
        first, second, third = (message.seq for message in feed.since(organization, 0, limit=10))
        for known in (0, first, second, third):
            feed.require_resumable(organization, known)
        for unknown in (1, first - 1, second + 1 if second + 1 != third else third + 1, third + 1):
            with pytest.raises(feed.UnknownCursor):
                feed.require_resumable(organization, unknown)
            with pytest.raises(feed.UnknownCursor):
                feed.since(organization, unknown, limit=10)


def test_rolled_back_announcement_leaves_no_event_and_no_gap() -> None:
    """After an error, and after a refusal that rolls back without one."""
    organization = new_id()
    announce_all(organization, "before")
    with pytest.raises(ZeroDivisionError), tenant_scope([organization]):
        announce(organization, "never")
        _ = 1 / 0
    with tenant_scope([organization]):
        announce(organization, "never")
        connections["default"].set_rollback(True)
    announce_all(organization, "after")
    assert feed_texts(organization) == ["before", "after"]
    assert_one_chain(organization, 2)


def test_feed_of_another_organization_cannot_be_written() -> None:
    """Row-level security applies to it as to any table."""
    mine, other = new_id(), new_id()
    with pytest.raises(Exception, match="row-level security"), tenant_scope([mine]):
        announce(other, "a lie")
    assert feed_texts(other) == [] and head(other) == 0


def test_concurrent_writers_commit_in_seq_order_without_gaps() -> None:
    """During concurrent writes, a reader that continues from its last seq never misses an event committed later."""
    organization = new_id()
    done = threading.Event()

    def write(writer: int) -> list[str]:
        said = [f"{writer}/{number}" for number in range(ROUNDS)]
        for text in said:
            announce_all(organization, text)
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
    assert with_reader == [feed_texts(organization)], "a committed event appeared behind the reader"
    for texts in said:
        assert [text for text in feed_texts(organization) if text in set(texts)] == texts


def test_slow_writer_does_not_block_others_before_its_commit() -> None:
    """The head is locked last: long work does not prevent others from committing in the meantime."""
    organization = new_id()
    with tenant_scope([organization]):
        announce(organization, "began first, committed last")
        at_once([lambda: announce_all(organization, "began later, committed first")])
    assert feed_texts(organization) == ["began later, committed first", "began first, committed last"]


@pytest.mark.parametrize("reverse", [False, True])
def test_transactions_over_several_organizations_do_not_deadlock(reverse: bool) -> None:
    """Heads, including new ones, are locked in sorted order, regardless of the order of announcements."""
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
    """Subscribe to the relay's messages of one organization."""
    with valkey.client().pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(bus.feed_channel(organization))
        assert channel.get_message(timeout=WAIT_SECONDS) is None  # Skip the confirmation.
        yield channel


def received(channel: redis.client.PubSub, organization: UUID) -> list[str]:
    """Return the messages that have arrived by now."""
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


def test_committed_events_are_published_once_in_order() -> None:
    """Then the events leave the outbox and are not published again."""
    organization = new_id()
    publish_all()
    with listening(organization) as channel:
        announce_all(organization, "one", "two")
        announce_all(organization, "three")
        publish_all()
        assert received(channel, organization) == ["one", "two", "three"]
        publish_all()
        assert received(channel, organization) == []
    assert unsent(organization) == 0


def test_outbox_keeps_events_while_the_bus_is_down() -> None:
    """Writers still commit; waiting events are published in order as soon as the bus is back."""
    organization = new_id()
    publish_all()
    with listening(organization) as channel:
        with valkey_away():
            announce_all(organization, "one")
            with pytest.raises(redis.RedisError):
                publish_unsent()
            announce_all(organization, "two")
            assert unsent(organization) == 2
        publish_all()
        assert received(channel, organization) == ["one", "two"]
    assert unsent(organization) == 0


@pytest.mark.slow
def test_thousands_of_troubles_in_one_transaction_take_one_query() -> None:
    """For example when all gateways of the platform stop reporting at once."""
    organization = new_id()
    with tenant_scope([organization]):
        for _ in range(20_000):
            announce_troubles("device.trouble", [new_id()])
        announce(organization, "after all of them")
    assert feed_texts(organization) == ["after all of them"]


@pytest.mark.slow
def test_running_relay_publishes_new_events() -> None:
    """It is notified after a commit, and stops on request."""
    organization = new_id()
    stopping = threading.Event()
    relay = threading.Thread(target=lambda: at_once([Relay(stopping.is_set).run]))
    relay.start()
    try:
        until(lambda: leaders() == 1)
        with listening(organization) as channel:
            announce_all(organization, "while it runs")
            message = channel.get_message(timeout=WAIT_SECONDS)
            assert message is not None
            assert text_of(FeedMessage.decode(organization, message["data"])) == "while it runs"
        until(lambda: unsent(organization) == 0)
    finally:
        stopping.set()
        relay.join()
    until(lambda: leaders() == 0)


@pytest.mark.slow
def test_stopped_relay_releases_leadership() -> None:
    """Even if its process continues with other work."""
    asked = iter([False, False, True, True])
    Relay(lambda: next(asked)).run()
    until(lambda: leaders() == 0)


@pytest.mark.slow
def test_standby_relay_takes_over_from_a_killed_leader() -> None:
    """With one leader, no event is published twice, and none waits for a dead leader."""
    organization = new_id()
    first = start_relay(PGAPPNAME="a relay 1")
    second = None
    try:
        until(lambda: leaders() == 1)
        second = start_relay(PGAPPNAME="a relay 2")
        until(lambda: candidates() == 2)
        assert leaders() == 1
        with listening(organization) as channel:
            announce_all(organization, "under the first")
            until(lambda: unsent(organization) == 0)
            assert received(channel, organization) == ["under the first"]
            first.kill()
            first.wait()
            announce_all(organization, "under the second")
            until(lambda: unsent(organization) == 0)
            assert received(channel, organization) == ["under the second"]
    finally:
        for process in (first, second):
            if process is not None:
                stop(process)


def leaders() -> int:
    """Return how many connections hold the leader lock."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted", [ADVISORY_LOCK]
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def candidates() -> int:
    """Return how many relays of this test are connected."""
    with connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name LIKE 'a relay %'"
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])
