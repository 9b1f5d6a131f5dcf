"""What must hold in the books when everything has come to rest, whatever was killed or stopped before."""

from collections.abc import Callable, Iterable

from tests.faults.chain import Chain, until
from tests.faults.staff import Listener
from tests.faults.wall import Pressed

REST_SECONDS = 120.0


async def at_rest(chain: Chain, listener: Listener, shown: Callable[[], bool]) -> None:
    """Wait until the screen shows what it should, and the feed's head has reached it."""
    await until(shown, "every press on the screen", seconds=REST_SECONDS)
    await until(lambda: last_for_staff(chain) == last_heard(listener), "the feed's end", seconds=REST_SECONDS)


def last_heard(listener: Listener) -> int:
    """The newest seq that reached the screen."""
    return listener.seqs[-1] if listener.heard else listener.since or 0


def last_for_staff(chain: Chain) -> int:
    """The newest seq that an admin's screen is meant to get."""
    organization = chain.demo.organization_id
    [[seq]] = chain.rows(
        f"SELECT coalesce(max(seq), 0) FROM feed_events"
        f" WHERE organization_id = '{organization}' AND audience <> 'gateway'"
    )
    return int(seq)


def all_right(chain: Chain, presses: Iterable[Pressed]) -> int:
    """Each press one alert, nothing doubled, every feed whole; the length of the feeds."""
    each_is_one_row(chain, presses)
    nothing_is_doubled(chain)
    return feed_is_whole(chain)


def each_is_one_row(chain: Chain, presses: Iterable[Pressed]) -> None:
    """Each press has one key (device, inst, seq), that names one alert, which was raised once and by it alone."""
    names = {press.name for press in presses}
    rows = chain.rows(
        "SELECT k.alert_id, count(DISTINCT h.id), min(h.presses),"
        " (SELECT count(*) FROM alert_events e WHERE e.alert = k.id AND e.kind = 'alert.raised')"
        " FROM alert_keys k LEFT JOIN alert_history h ON h.id = k.id AND h.alert_id = k.alert_id"
        f" WHERE k.alert_id IN ({', '.join(repr(name) for name in sorted(names))}) GROUP BY k.alert_id, k.id"
    )
    assert {row[0] for row in rows} == names
    assert len(rows) == len(names)
    assert [row for row in rows if row[1:] != ["1", "1", "1"]] == []


def nothing_is_doubled(chain: Chain) -> None:
    """No alert has two keys of its own name, or two rows, or was told as created twice."""
    assert chain.rows("SELECT alert_id FROM alert_history GROUP BY organization_id, alert_id HAVING count(*) > 1") == []
    assert (
        chain.rows(
            "SELECT payload::json #>> '{alert,alert_id}' FROM feed_events WHERE kind = 'alert.created'"
            " GROUP BY organization_id, 1 HAVING count(*) > 1"
        )
        == []
    )


def feed_is_whole(chain: Chain) -> int:
    """Every organization's feed runs to its head, each event after the one that it names; its length."""
    rows = chain.rows(
        "SELECT h.organization_id, h.seq, count(f.seq), count(DISTINCT f.seq), max(f.seq),"
        " count(*) FILTER (WHERE f.previous <> f.before) FROM organization_heads h LEFT JOIN (SELECT organization_id,"
        " seq, previous, lag(seq, 1, 0) OVER (PARTITION BY organization_id ORDER BY seq) AS before FROM feed_events) f"
        " USING (organization_id) GROUP BY h.organization_id, h.seq"
    )
    assert rows
    for organization, head, length, *found in rows:
        assert found == [length, head, "0"], organization
    return sum(int(row[2]) for row in rows)


def screen_got_all(chain: Chain, listener: Listener) -> None:
    """In order, none twice, none missing, and never told to read the list again."""
    seqs = listener.seqs
    rows = chain.rows(
        f"SELECT seq FROM feed_events WHERE organization_id = '{chain.demo.organization_id}'"
        f" AND audience <> 'gateway' AND seq > {listener.since} ORDER BY seq"
    )
    assert seqs == sorted(set(seqs))
    assert seqs == [int(row[0]) for row in rows]
    assert listener.resyncs == 0
