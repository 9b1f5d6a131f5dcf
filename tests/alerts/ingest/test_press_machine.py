"""Two gateways, skewed clocks, outages, closes, silent and loud presses, drills: every press belongs to an open
alert, unless a person closed the alert after the press was made.

Presses, acts and people are real: they go through ingest and the services, at the times of a clock that the state
machine advances. The gateways are the worst possible: they join a press to any alert that they ever received.
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID, uuid4

import msgspec
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.accounts.models import Role
from apps.accounts.rights.grants import person_principal
from apps.alerts import drills, services
from apps.alerts.ingest import service
from apps.alerts.lifecycle import OPEN
from apps.alerts.models import Alert, AlertEvent, AlertKey, DrillArm
from apps.common.access import SYSTEM, Principal
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from tests.kit.people import PersonFactory
from tests.kit.presses import JsonObject, hops, raised, rfc3339
from tests.kit.school import School, SchoolFactory

SKEW: Final = timedelta(minutes=10)
NO_BOUNDS: Final = ("earliest_at", "latest_at")


@dataclass(frozen=True)
class Press:
    """A press of a hand, and its real time."""

    device: str
    seq: int
    made_at: datetime
    kind: str
    silent: bool
    in_armed_minute: bool

    @property
    def name(self) -> str:
        return f"{self.device}:a1b2c3d4:{self.seq}"


@dataclass
class Gateway:
    """The events a gateway has not sent yet, and every alert it has received."""

    school: School
    skew: timedelta
    measures: bool
    queue: list[JsonObject] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    presses: dict[str, Press] = field(default_factory=dict)


class Building(RuleBasedStateMachine):
    """One building with two buttons in a room, two gateways that both receive their presses, and two people."""

    measures: ClassVar[tuple[bool, bool]]
    """Which gateways have measured the cloud's clock, and use it to bound their presses."""

    @initialize(skews=st.tuples(*[st.sampled_from([-SKEW, timedelta(0), SKEW])] * 2))
    def open_school(self, skews: tuple[timedelta, timedelta]) -> None:
        self.school = school = SchoolFactory.create()
        self.now = timezone.now() - timedelta(hours=12)
        self.second_button = f"ss-{secrets.token_hex(6)}"
        with tenant_scope([school.organization]):
            devices.register_devices(
                actor=SYSTEM,
                organization_id=school.organization,
                rooms={self.second_button: school.room},
                now=timezone.now(),
            )
            beside = devices.register_gateway(
                actor=SYSTEM,
                organization_id=school.organization,
                name="Beside",
                public_key="none",
                buildings=[school.building],
            )
        schools = (school, replace(school, gateway=beside, epoch=uuid4()))
        self.gateways = [Gateway(*one) for one in zip(schools, skews, self.measures, strict=True)]
        self.people = [
            self.principal(PersonFactory.create(role=Role.ADMIN, organization=school.organization).id) for _ in range(2)
        ]
        self.seq = 0
        self.sent: dict[str, Press] = {}
        self.acts: dict[UUID, datetime] = {}

    def principal(self, person: UUID) -> Principal:
        with tenant_scope([self.school.organization]):
            principal = person_principal(person)
        assert principal is not None
        return principal

    def tick(self, seconds: float = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    @rule(seconds=st.sampled_from([2, 20, 61, 300]))
    def wait(self, seconds: int) -> None:
        self.tick(seconds)

    @rule(
        receivers=st.sampled_from([(0,), (1,), (0, 1)]),
        button=st.integers(0, 1),
        kind=st.sampled_from(["medical", "lockdown"]),
        silent=st.booleans(),
        joins=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        claims_false_drill=st.booleans(),
        cut=st.booleans(),
    )
    def press(
        self,
        receivers: tuple[int, ...],
        button: int,
        kind: str,
        silent: bool,
        joins: tuple[int, int],
        claims_false_drill: bool,
        cut: bool,
    ) -> None:
        """A gateway claims a drill when it is one, and when it lies, which only bounds can reveal."""
        self.seq += 1
        device = (self.school.device, self.second_button)[button]
        made_at = self.tick()
        press = Press(device, self.seq, made_at, kind, silent, self.is_armed(device, made_at))
        for number in receivers:
            gateway = self.gateways[number]
            claims = press.in_armed_minute or (claims_false_drill and gateway.measures)
            event = self.press_event(gateway, press, claims_drill=claims)
            if joins[number] < len(gateway.received):
                event |= {"kind": "alert.pressed_again", "alert_id": gateway.received[-1 - joins[number]]}
            gateway.received.append(str(event["alert_id"]))
            gateway.queue.append(event)
            gateway.presses[str(event["event_id"])] = press
            if not cut:
                self.send(number)

    def press_event(self, gateway: Gateway, press: Press, *, claims_drill: bool) -> JsonObject:
        said = press.made_at + gateway.skew
        passed = hops(said, earliest=press.made_at - timedelta(seconds=1), latest=press.made_at + timedelta(seconds=1))
        if not gateway.measures:
            passed = {name: value for name, value in passed.items() if name not in NO_BOUNDS}
        event = raised(gateway.school, device=press.device, at=said, alert_type=press.kind, silent=press.silent)
        return event | {"alert_id": press.name, "seq": press.seq, "drill": claims_drill, "hops": passed}

    def is_armed(self, device: str, at: datetime) -> bool:
        with tenant_scope([self.school.organization]):
            return DrillArm.objects.filter(
                hardware_id=device, armed_at__lte=at, expires_at__gte=at, alert_id=None
            ).exists()

    @rule(button=st.integers(0, 1))
    def arm(self, button: int) -> None:
        now = self.tick()
        try:
            with tenant_scope([self.school.organization]):
                drills.arm(
                    principal=self.people[0],
                    organization=self.school.organization,
                    device_id=(self.school.device, self.second_button)[button],
                    now=now,
                )
        except drills.AlreadyArmed:
            pass

    @rule(number=st.integers(0, 1), which=st.integers(0, 5), people=st.sampled_from([(0,), (0, 1)]))
    def close_in_the_building(self, number: int, which: int, people: tuple[int, ...]) -> None:
        """At the gateway's board, for any alert that the gateway has received."""
        gateway = self.gateways[number]
        if which >= len(gateway.received):
            return
        for person in people:
            acted_at = self.tick()
            by = {"via": "board", "person": str(self.people[person].id), "name": "Maria"}
            event: JsonObject = {
                "event_id": str(new_id()),
                "kind": "alert.resolved",
                "at": rfc3339(acted_at + gateway.skew),
                "alert_id": gateway.received[-1 - which],
                "by": by,
            }
            self.acts[UUID(str(event["event_id"]))] = acted_at
            gateway.queue.append(event)

    @rule(which=st.integers(0, 3))
    def close_in_the_cloud(self, which: int) -> None:
        """Both people act, one after the other."""
        with tenant_scope([self.school.organization]):
            alerts = list(Alert.objects.filter(status__in=OPEN).order_by("-triggered_at"))
        if which < len(alerts):
            for person in self.people:
                now = self.tick()
                with tenant_scope([self.school.organization]):
                    services.resolve(principal=person, alert_uuid=alerts[which].id, reason=None, now=now)

    @precondition(lambda self: any(gateway.queue for gateway in self.gateways))
    @rule(numbers=st.sampled_from([(0, 1), (1, 0), (0,), (1,)]), twice=st.booleans())
    def send_to_the_cloud(self, numbers: tuple[int, ...], twice: bool) -> None:
        """A response can be lost, so that a gateway sends again."""
        for number in numbers:
            self.send(number, twice=twice)

    def send(self, number: int, *, twice: bool = False) -> None:
        gateway = self.gateways[number]
        if not gateway.queue:
            return
        for _ in range(1 + twice):
            now = self.tick()
            body = {"epoch": gateway.school.epoch, "sent_at": rfc3339(now + gateway.skew), "events": gateway.queue}
            request = service.parse(msgspec.json.encode(body))
            with tenant_scope([self.school.organization]):
                answer = service.ingest(gateway=gateway.school.gateway_principal, request=request, received_at=self.now)
            for event, result in zip(gateway.queue, answer.results, strict=True):
                press = gateway.presses.get(str(event["event_id"]))
                if press is not None:
                    assert result.result in ("stored", "repeat"), (event, result)
                    self.sent[press.name] = press
        gateway.queue = []

    @rule(number=st.integers(0, 1))
    def correct_clock(self, number: int) -> None:
        """Correct the gateway's clock from now on. An act in the building has no bounds, so none that was recorded
        with a fast clock may be waiting."""
        gateway = self.gateways[number]
        if gateway.skew < timedelta(0) or not any(event["kind"] == "alert.resolved" for event in gateway.queue):
            gateway.skew = timedelta(0)

    @rule()
    def sweep(self) -> None:
        drills.end_overdue(now=self.tick())

    @invariant()
    def every_press_is_open_or_was_closed_by_a_person_after_it(self) -> None:
        if not getattr(self, "sent", None):
            return
        with tenant_scope([self.school.organization]):
            alerts = {alert.id: alert for alert in Alert.objects.all()}
            closes = {
                step.alert: step for step in AlertEvent.objects.filter(kind="alert.resolved").order_by("created_at")
            }
            named: dict[str, list[UUID]] = {}
            for key in AlertKey.objects.all():
                named.setdefault(key.alert_id.partition("@")[0], []).append(key.id)
        for press in self.sent.values():
            mine = [alerts[id_] for id_ in named.get(press.name, [])]
            assert any(self.holds(alert, press, closes.get(alert.id)) for alert in mine), (press, mine)
            assert all((alert.is_silent, alert.alert_type) == (press.silent, press.kind) for alert in mine), press
            assert press.in_armed_minute or not any(alert.is_drill for alert in mine), press

    def holds(self, alert: Alert, press: Press, close: AlertEvent | None) -> bool:
        """Return whether this alert is open, or a person ended it after the press; a drill ends automatically."""
        if alert.status in OPEN:
            return True
        assert close is not None
        if close.id in self.acts:
            return self.acts[close.id] > press.made_at
        if close.detail["via"] in ("real_press", "timeout"):
            return alert.is_drill and press.in_armed_minute
        return close.at > press.made_at


@pytest.mark.slow
@pytest.mark.parametrize("measures", [(True, True), (True, False), (False, False)])
def test_every_press_is_open_unless_a_person_closed_it_after_it_was_made(measures: tuple[bool, bool]) -> None:
    Building.measures = measures
    run_state_machine_as_test(
        Building,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
