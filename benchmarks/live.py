"""Live delivery of alerts to one school's screens: from just before COMMIT to the bytes at each client.

One web process as in `./dev up` with the relay, and one socket per person, all in one client process; alerts are sent
one after another, as by a gateway.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Final
from uuid import UUID

from django.db import connections
from django.utils import timezone
from rich.progress import track

from apps.accounts.identity.keys import tokens
from apps.alerts.ingest import service
from apps.common import valkey
from apps.common.access import PrincipalKind
from apps.common.db.scope import tenant_scope
from apps.common.feed import FeedMessage, bus
from benchmarks import place, schools
from benchmarks.child import Child
from benchmarks.figures import Bar, Figure, percentile
from benchmarks.live_clients import ReceivedMessage, Report, Screens
from benchmarks.schools import School

DELIVERY_BAR: Final = Bar(100, at_most=True)
ALERTS_A_SECOND: Final = 4
WARM_UP: Final = 2
"""The first alerts are sent but not counted."""
TOKEN_LIFETIME: Final = timedelta(minutes=15)
_PEOPLE: Final = Path(__file__).with_name("people.sql").read_text()


@dataclass(frozen=True)
class Sizes:
    """The number of sockets, and of alerts sent to them."""

    clients: int
    messages: int


class BusTimes(Thread):
    """The time of each message of one school on the bus, after which the relay is no longer involved."""

    def __init__(self, organization: UUID, messages: int) -> None:
        super().__init__(daemon=True)
        self._organization = organization
        self._messages = messages
        self._pubsub = valkey.client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._pubsub.subscribe(bus.feed_channel(organization))
        self.at: dict[int, float] = {}

    def run(self) -> None:
        """Record until all messages have arrived."""
        while len(self.at) < self._messages:
            raw = self._pubsub.get_message(timeout=1.0)
            if raw is not None:
                self.at.setdefault(FeedMessage.decode(self._organization, raw["data"]).seq, time.time())


def run(sizes: Sizes) -> list[Figure]:
    """Return the figures; raise RuntimeError if a screen misses, repeats or reorders a message."""
    messages = sizes.messages + WARM_UP
    with place.running_engines():
        schools.prepare_database()
        (school,) = schools.make_schools(1)
        people = _tokens(school, sizes.clients)
        with place.web() as address:
            screens = Screens(f"{address.replace('http', 'ws', 1)}/ws/alerts", people, messages)
            clients = Child("live_clients", screens, Report)
            clients.wait_until_ready()
            clients.go()
            bus_times = BusTimes(school.organization_id, messages)
            bus_times.start()
            _raise_alerts(school, messages)
            received = clients.report().screens
            bus_times.join(timeout=10)
    _check(received, messages)
    return _figures(sizes, [screen[WARM_UP:] for screen in received], bus_times.at)


def _figures(
    sizes: Sizes, received: Sequence[Sequence[ReceivedMessage]], published: Mapping[int, float]
) -> list[Figure]:
    delivered = [1000 * (one.received_at - one.written_at) for screen in received for one in screen]
    last = [1000 * max(one.received_at - one.written_at for one in alert) for alert in zip(*received, strict=True)]
    carried = [1000 * (published[one.seq] - one.written_at) for one in received[0]]
    fanned = [1000 * (one.received_at - published[one.seq]) for screen in received for one in screen]
    whole = f"{sizes.clients:,} screens of one school, {sizes.messages} alerts: just before COMMIT -> on a screen"
    return [
        Figure(f"{whole}, p50", percentile(delivered, 50), "ms"),
        Figure(f"{whole}, p99", percentile(delivered, 99), "ms", DELIVERY_BAR),
        Figure("slowest screen, median of the alerts", percentile(last, 50), "ms"),
        Figure("part of it: COMMIT, relay, bus, p50", percentile(carried, 50), "ms"),
        Figure("published on the bus -> on a screen, p50", percentile(fanned, 50), "ms"),
        Figure("published on the bus -> on a screen, p99", percentile(fanned, 99), "ms"),
    ]


def _tokens(school: School, number: int) -> list[str]:
    """Return an access token for each of `number` operators."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_PEOPLE, {"people": number, "organization": school.organization_id})
        people = cursor.fetchall()
    organizations = [{"id": str(school.organization_id), "role": "operator"}]
    return [
        tokens.mint(
            kind=PrincipalKind.PERSON,
            subject=person,
            claims={"sid": str(sign_in), "email": email, "organizations": organizations},
            lifetime=TOKEN_LIFETIME,
        )
        for person, email, sign_in in people
    ]


def _raise_alerts(school: School, number: int) -> None:
    requests = schools.batches(school, 1, inst=secrets.token_hex(4))
    for _ in track(range(number), "live", transient=True):
        with tenant_scope([school.organization_id]):
            request = service.parse(next(requests))
            service.ingest(gateway=school.gateway, request=request, received_at=timezone.now())
        time.sleep(1 / ALERTS_A_SECOND)


def _check(received: Sequence[Sequence[ReceivedMessage]], messages: int) -> None:
    seqs = [[one.seq for one in screen] for screen in received]
    expected = sorted({seq for screen in seqs for seq in screen})
    wrong = sum(screen != expected or len(screen) != messages for screen in seqs)
    if wrong:
        raise RuntimeError(f"{wrong} of {len(received)} screens did not receive every alert once and in order.")
