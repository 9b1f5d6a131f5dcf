"""Consistency checks for the time when the chain has settled, whatever was killed or stopped before."""

from collections.abc import Callable, Iterable

from tests.faults.button_bank import Pressed
from tests.faults.chain import Chain, until
from tests.faults.staff import Listener


async def wait_until_settled(chain: Chain, listener: Listener, complete: Callable[[], bool]) -> None:
    """Wait until the screen has every alert and the end of the feed."""
    await until(complete, "every press on the screen")
    await until(lambda: last_for_staff(chain) == last_received(listener), "the end of the feed")


def last_received(listener: Listener) -> int:
    """Return the newest seq that reached the screen."""
    return listener.seqs[-1] if listener.received else listener.since or 0


def last_for_staff(chain: Chain) -> int:
    """Return the newest seq intended for an admin's screen."""
    organization = chain.demo.organization_id
    [[seq]] = chain.rows(
        f"SELECT coalesce(max(seq), 0) FROM feed_events"
        f" WHERE organization_id = '{organization}' AND audience <> 'gateway'"
    )
    return int(seq)


def check_all(chain: Chain, presses: Iterable[Pressed]) -> int:
    """Check that each press is one alert, nothing is duplicated and every feed complete; return the feeds' length."""
    check_one_row_per_press(chain, presses)
    check_no_duplicates(chain)
    return check_feed_is_complete(chain)


def check_one_row_per_press(chain: Chain, presses: Iterable[Pressed]) -> None:
    """Check that each press has one key (device, inst, seq) of one alert, raised once and only by this press."""
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


def check_no_duplicates(chain: Chain) -> None:
    """Check that no alert has two keys of its own name, two rows, or two `alert.created` events."""
    assert chain.rows("SELECT alert_id FROM alert_history GROUP BY organization_id, alert_id HAVING count(*) > 1") == []
    assert (
        chain.rows(
            "SELECT payload::json #>> '{alert,alert_id}' FROM feed_events WHERE kind = 'alert.created'"
            " GROUP BY organization_id, 1 HAVING count(*) > 1"
        )
        == []
    )


def check_feed_is_complete(chain: Chain) -> int:
    """Check that every feed reaches its head, each event following the one that it names; return the total length."""
    rows = chain.rows(
        "SELECT h.organization_id, h.seq, count(f.seq), count(DISTINCT f.seq), max(f.seq),"
        " count(*) FILTER (WHERE f.previous <> f.before) FROM organization_heads h LEFT JOIN (SELECT organization_id,"
        " seq, previous, lag(seq, 1, 0) OVER (PARTITION BY organization_id ORDER BY seq) AS before FROM feed_events) f"
        " USING (organization_id) GROUP BY h.organization_id, h.seq"
    )
    assert rows
    for organization, head, length, *counts in rows:
        assert counts == [length, head, "0"], organization
    return sum(int(row[2]) for row in rows)


def check_screen_is_complete(chain: Chain, listener: Listener) -> None:
    """Check that the screen received every message once, in order, and without a resync."""
    seqs = listener.seqs
    rows = chain.rows(
        f"SELECT seq FROM feed_events WHERE organization_id = '{chain.demo.organization_id}'"
        f" AND audience <> 'gateway' AND seq > {listener.since} ORDER BY seq"
    )
    assert seqs == sorted(set(seqs))
    assert seqs == [int(row[0]) for row in rows]
    assert listener.resyncs == 0
