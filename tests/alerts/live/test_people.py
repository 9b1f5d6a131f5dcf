"""`/ws/alerts` through the real web server and relay: missed events in order, once each, to the right people."""

from functools import partial
from uuid import UUID

import pytest

from apps.accounts.models import Role
from apps.common import feed
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from tests.kit.concurrency import at_once
from tests.kit.feed import feed_seqs
from tests.kit.listener import listening
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert, raise_alerts, raised
from tests.kit.school import School, SchoolFactory
from tests.kit.server import Server, start_relay, stop

pytestmark = pytest.mark.slow


def acknowledge(person: Person, alert: UUID) -> None:
    assert person.client.put(f"/api/v1/alerts/{alert}/acknowledge").status_code == 200


def many_events(school: School, count: int) -> None:
    with tenant_scope([school.organization]):
        trouble = (
            '{"trouble":{"id":"0198f2c4-6a10-7700-9c41-5d2e8f7a0700","device":null,"gateway":null,"kind":"disk",'
            '"detail":null,"since":"2026-01-01T00:00:00.000Z"}}'
        )
        feed.announce_rows(
            "SELECT %s::uuid, 'device.trouble', 'staff', NULL::uuid, NULL::uuid, %s FROM generate_series(1, %s)",
            [school.organization, trouble, count],
        )


def test_feed_starts_at_the_head_without_a_first_message(server: Server, school: School, operator: Person) -> None:
    """`ready` with the head, then new commits in the same form as in the list."""
    raise_alert(school)
    with listening(server, operator.token) as listener:
        (ready,) = listener.until_ready()
        assert ready["organizations"] == {str(school.organization): feed_seqs(school)[-1]}
        alert = raise_alert(school)
        message = listener.next()
        at = message.pop("at")
        assert at.endswith("Z")
        assert message == {
            "type": "alert.created",
            "organization": str(school.organization),
            "seq": feed_seqs(school)[-1],
            "alert": operator.client.get(f"/api/v1/alerts/{alert}").json(),
        }
        acknowledge(operator, alert)
        message = listener.next()
        assert (message["type"], message["alert"]["status"]) == ("alert.updated", "acknowledged")
        assert message["seq"] == feed_seqs(school)[-1]


def test_resume_sends_missed_events_once(server: Server, school: School, operator: Person) -> None:
    """From a cursor: the missed events in order, `ready`, then live events."""
    for _ in range(4):
        raise_alert(school)
    seqs = feed_seqs(school)
    for seen, cursor in ((0, 0), (2, seqs[1]), (4, seqs[3])):
        with listening(server, operator.token) as listener:
            *missed, ready = listener.resume({school.organization: cursor})
            assert [message["seq"] for message in missed] == seqs[seen:]
            assert ready["organizations"] == {str(school.organization): seqs[-1]}
    with listening(server, operator.token) as listener:
        listener.resume({school.organization: seqs[-1]}, epoch=ready["epoch"])
        raise_alert(school)
        assert listener.next()["seq"] == feed_seqs(school)[-1]


def test_late_resume_still_sends_missed_events(server: Server, school: School, operator: Person) -> None:
    """A `resume` after the feed has started is still accepted, so that missed events are never skipped."""
    for _ in range(3):
        raise_alert(school)
    with listening(server, operator.token) as listener:
        seqs = feed_seqs(school)
        assert listener.until_ready()[-1]["organizations"] == {str(school.organization): seqs[-1]}
        *missed, ready = listener.resume({school.organization: seqs[0]})
        assert [message["seq"] for message in missed] == seqs[1:]
        assert ready["organizations"] == {str(school.organization): seqs[-1]}
        raise_alert(school)
        assert listener.next()["seq"] == feed_seqs(school)[-1]


def test_events_arrive_in_order_during_concurrent_writes(server: Server, school: School, operator: Person) -> None:
    """For a client that connected before, and one that connects and resumes in the middle."""
    writers, rounds = 4, 12
    expected = writers * rounds * 2

    def write() -> None:
        for _ in range(rounds):
            acknowledge(operator, raise_alert(school))

    def read(from_seq: int) -> list[int]:
        with listening(server, operator.token) as listener:
            seqs = [message["seq"] for message in listener.resume({school.organization: from_seq})[:-1]]
            while len(seqs) < expected:
                seqs.append(listener.next()["seq"])
        return seqs

    def work(number: int) -> list[int]:
        if number >= writers:
            return read(0)
        write()
        return []

    *_, first, second = at_once([partial(work, number) for number in range(writers + 2)])
    assert first == second == feed_seqs(school)
    with listening(server, operator.token) as listener:
        *missed, _ = listener.resume({school.organization: first[expected // 2 - 1]})
        assert [message["seq"] for message in missed] == first[expected // 2 :]


@pytest.mark.parametrize("offset", [1, 10_000, None, -1])
def test_cursor_of_another_history_causes_resync(
    server: Server, school: School, operator: Person, offset: int | None
) -> None:
    """A cursor ahead of the head, or of no event, as after a restore: reload the list and continue from there."""
    raise_alert(school)
    head = feed_seqs(school)[-1]
    with listening(server, operator.token) as listener:
        resync, ready = listener.resume({school.organization: 2**53 - 1 if offset is None else head + offset})
        assert (resync["type"], resync["organization"], resync["seq"]) == ("resync", str(school.organization), head)
        assert resync["epoch"] == ready["epoch"] and ready["organizations"] == {str(school.organization): head}
        raise_alert(school)
        assert listener.next()["seq"] == feed_seqs(school)[-1]


def test_cursor_of_another_epoch_causes_resync(server: Server, school: School, operator: Person) -> None:
    """Even if an event of this history has the same number."""
    raise_alert(school)
    with listening(server, operator.token) as listener:
        resync, ready = listener.resume({school.organization: feed_seqs(school)[-1]}, epoch=str(new_id()))
        assert (resync["type"], resync["epoch"]) == ("resync", ready["epoch"])


def test_cursor_older_than_the_window_causes_resync(server: Server, school: School, operator: Person) -> None:
    """More than 5,000 events behind, reloading the list is faster."""
    many_events(school, 5001)
    with listening(server, operator.token) as listener:
        assert [message["type"] for message in listener.resume({school.organization: 0})] == ["resync", "ready"]
    seqs = feed_seqs(school)
    with listening(server, operator.token) as listener:
        *missed, _ = listener.resume({school.organization: seqs[0]})
        assert [message["seq"] for message in missed] == seqs[1:]


def test_people_receive_no_events_of_another_school(server: Server, school: School, operator: Person) -> None:
    """Neither live nor by naming the school in `resume`."""
    other = SchoolFactory.create()
    raise_alert(other)
    with listening(server, operator.token) as listener:
        (ready,) = listener.resume({other.organization: 0, school.organization: 0})
        assert ready["organizations"] == {str(school.organization): 0}
        raise_alert(other)
        raise_alert(school)
        assert listener.next()["organization"] == str(school.organization)


def test_person_of_two_schools_receives_events_of_both(server: Server) -> None:
    """Each school's events in their own order."""
    schools = [SchoolFactory.create(), SchoolFactory.create()]
    person = PersonFactory.create(role=Role.OPERATOR, organizations=(school.organization for school in schools))
    raise_alert(schools[0])
    with listening(server, person.token) as listener:
        missed, ready = listener.resume({schools[0].organization: 0})
        assert missed["organization"] == str(schools[0].organization)
        assert ready["organizations"] == {
            str(schools[0].organization): missed["seq"],
            str(schools[1].organization): 0,
        }
        raise_alert(schools[1])
        assert listener.next()["organization"] == str(schools[1].organization)


def test_silent_alert_reaches_only_the_response_team(server: Server, school: School, operator: Person) -> None:
    """An operator receives only the next loud alert, both live and on resume."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with listening(server, operator.token) as below, listening(server, admin.token) as above:
        below.start()
        above.start()
        raise_alert(school, silent=True)
        raise_alert(school)
        silent, loud = feed_seqs(school)
        assert [above.next()["alert"]["is_silent"] for _ in range(2)] == [True, False]
        message = below.next()
        assert (message["seq"], message["alert"]["is_silent"]) == (loud, False)
    with listening(server, operator.token) as below, listening(server, admin.token) as above:
        assert [message.get("seq") for message in below.resume({school.organization: 0})] == [loud, None]
        assert [message.get("seq") for message in above.resume({school.organization: 0})] == [silent, loud, None]


def test_no_number_reveals_a_silent_alert_to_an_operator(server: Server, school: School, operator: Person) -> None:
    """A reconnecting operator receives the same after a silent alert, its acknowledgement and its end."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    raise_alert(school)
    with listening(server, operator.token) as listener:
        before = listener.start()
    alert = raise_alert(school, silent=True)
    acknowledge(admin, alert)
    assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    with listening(server, operator.token) as listener:
        assert listener.start() == before
    with listening(server, operator.token) as listener:
        assert listener.resume({school.organization: before["organizations"][str(school.organization)]}) == [before]
    with listening(server, admin.token) as listener:
        *missed, _ = listener.resume({school.organization: before["organizations"][str(school.organization)]})
        assert [message["type"] for message in missed] == ["alert.created", "alert.updated", "alert.updated"]


def test_feed_continues_without_the_relay(server: Server, school: School, operator: Person) -> None:
    """The hub polls the database: slower, but nothing is missing once the relay is back."""
    with listening(server, operator.token) as listener:
        listener.start()
        stop(server.relay)
        raise_alerts(school, raised(school), raised(school))
        assert [listener.next()["seq"] for _ in range(2)] == feed_seqs(school)
        server.relay = start_relay()
        raise_alert(school)
        assert listener.next()["seq"] == feed_seqs(school)[-1]
