"""Schools, their people, and the events that their gateways send. Names are unique across tests."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec
from django.test import Client
from django.utils import timezone

from apps.accounts.identity import users
from apps.accounts.identity.keys import tokens
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Role
from apps.accounts.people import memberships
from apps.accounts.rights.grants import person_principal
from apps.alerts import drills
from apps.alerts.ingest import service
from apps.alerts.ingest.messages import EventsAnswer
from apps.alerts.models import AlertKey
from apps.common import feed
from apps.common.access import SYSTEM, Grant, Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.gateways.authentication import PERMISSIONS
from apps.tenancy import services as tenancy

TOKEN_LIFETIME = timedelta(minutes=10)

JsonObject = dict[str, object]


@dataclass(frozen=True)
class School:
    """An organization with a site of two buildings, each with a room and a button; the gateway belongs to the first."""

    organization: UUID
    site: UUID
    building: UUID
    floor: UUID
    room: UUID
    device: str
    other_building: UUID
    other_device: str
    gateway: UUID
    epoch: UUID = field(default_factory=uuid4)

    @property
    def gateway_principal(self) -> Principal:
        grant = Grant(self.organization, "gateway", PERMISSIONS)
        return Principal(PrincipalKind.GATEWAY, self.gateway, "gateway", {self.organization: grant})

    @property
    def gateway_token(self) -> str:
        return tokens.mint(kind=PrincipalKind.GATEWAY, subject=self.gateway, claims={}, lifetime=TOKEN_LIFETIME)


@dataclass(frozen=True)
class Person:
    """A person and their access token."""

    id: UUID
    name: str
    token: str

    @property
    def client(self) -> Client:
        return Client(headers={"authorization": f"Bearer {self.token}"})


def device_name() -> str:
    return f"ss-{secrets.token_hex(6)}"


def make_school(organization: UUID | None = None) -> School:
    organization = organization or new_id()
    device, other_device = device_name(), device_name()
    number = secrets.randbelow(1_000_000)
    with tenant_scope([organization]) as scope:
        slug = f"school-{organization.hex}"
        tenancy.create_organization(actor=SYSTEM, organization_id=organization, name="Lincoln", slug=slug)
        site = tenancy.create_site(
            actor=SYSTEM, organization_id=organization, name="Campus", address="400 Oak Street", timezone="UTC"
        )
        buildings, floors, rooms = [], [], []
        for name in ("Main", "Annex"):
            buildings.append(tenancy.create_building(actor=SYSTEM, site=site, name=name))
            floors.append(tenancy.create_floor(actor=SYSTEM, building=buildings[-1], floor_number=number, name="Low"))
            rooms.append(tenancy.create_room(actor=SYSTEM, floor=floors[-1], room_number=str(number), name="Art room"))
        devices.register_devices(
            actor=SYSTEM,
            organization_id=organization,
            rooms={device: rooms[0].id, other_device: rooms[1].id},
            now=timezone.now(),
        )
        gateway = devices.register_gateway(
            actor=SYSTEM,
            organization_id=organization,
            name="Gateway",
            public_key="none",
            buildings=[buildings[0].id],
        )
        scope.feed.clear()  # The feed of a test contains only the changes of the test itself.
    return School(
        organization=organization,
        site=site.id,
        building=buildings[0].id,
        floor=floors[0].id,
        room=rooms[0].id,
        device=device,
        other_building=buildings[1].id,
        other_device=other_device,
        gateway=gateway,
    )


def make_person(role: Role, *organizations: UUID) -> Person:
    """Create a person with the same role in each organization."""
    name = f"Teacher {secrets.token_hex(4)}"
    first_name, last_name = name.split()
    with tenant_scope(organizations) as scope:
        user = users.create_user(
            actor=SYSTEM,
            email=f"{secrets.token_hex(8)}@school.example",
            password=None,
            first_name=first_name,
            last_name=last_name,
        )
        for organization in organizations:
            memberships.add_membership(actor=SYSTEM, user=user, organization_id=organization, role=role)
        scope.feed.clear()
    pair = sign_in.begin(user=user, now=timezone.now())
    return Person(user.id, name, pair.access)


def rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def raised(school: School, *, alert_type: str = "medical", at: datetime | None = None, **changed: object) -> JsonObject:
    """Return `alert.raised` for a press on the school's first button, by default now."""
    device = str(changed.get("device", school.device))
    at = at or timezone.now()
    inst, seq = "a1b2c3d4", secrets.randbelow(2**31) + 1
    event: JsonObject = {
        "event_id": str(new_id()),
        "kind": "alert.raised",
        "at": rfc3339(at),
        "alert_id": f"{device}:{inst}:{seq}",
        "device": device,
        "inst": inst,
        "seq": seq,
        "room": str(school.room),
        "type": alert_type,
        "severity": "critical",
        "silent": False,
        "drill": False,
        "live": True,
        "hops": {"pressed_at": rfc3339(at), "arrived_at": rfc3339(at), "stored_at": rfc3339(at), "acted_at": None},
        "policy": 1,
    }
    return event | changed


def hops(pressed_at: datetime, *, earliest: datetime | None = None, latest: datetime | None = None) -> JsonObject:
    """Return the times at each hop of a press made between `earliest` and `latest`, by default at `pressed_at`."""
    return {
        "pressed_at": rfc3339(pressed_at),
        "arrived_at": rfc3339(pressed_at),
        "stored_at": None,
        "acted_at": None,
        "earliest_at": rfc3339(earliest or pressed_at),
        "latest_at": rfc3339(latest or pressed_at),
    }


def pressed_again(alert: JsonObject, *, at: datetime, **changed: object) -> JsonObject:
    """Return `alert.pressed_again` for a press at this moment, which a gateway joins to the alert of another event."""
    seq = secrets.randbelow(2**31) + 1
    event = {"event_id": str(new_id()), "kind": "alert.pressed_again", "at": rfc3339(at), "seq": seq, "hops": hops(at)}
    return alert | event | changed


def arm(school: School, *, device: str | None = None, at: datetime | None = None) -> None:
    """Arm a button for a drill as an admin, by default just before now."""
    admin = make_person(Role.ADMIN, school.organization)
    with tenant_scope([school.organization]):
        principal = person_principal(admin.id)
        assert principal is not None
        drills.arm(
            principal=principal,
            organization=school.organization,
            device_id=device or school.device,
            now=at or timezone.now() - timedelta(seconds=1),
        )


def send(school: School, *events: object, at: datetime | None = None, sent_at: datetime | None = None) -> EventsAnswer:
    """Return the cloud's response to the gateway after commit; `at` is the cloud's time, `sent_at` the gateway's."""
    body: JsonObject = {"epoch": school.epoch, "events": events}
    if sent_at is not None:
        body["sent_at"] = rfc3339(sent_at)
    request = service.parse(msgspec.json.encode(body))
    with tenant_scope([school.organization]):
        return service.ingest(gateway=school.gateway_principal, request=request, received_at=at or timezone.now())


def feed_seqs(school: School) -> list[int]:
    """Return the numbers of all feed events of the school, in order."""
    with tenant_scope([school.organization]):
        return [message.seq for message in feed.since(school.organization, 0, limit=10_000)]


def raise_alert(school: School, *, alert_type: str = "medical", at: datetime | None = None, **changed: object) -> UUID:
    """Raise a new alert; return its UUID."""
    return raise_alerts(school, raised(school, alert_type=alert_type, at=at, **changed))[0]


def raise_alerts(school: School, *events: JsonObject) -> list[UUID]:
    """Raise new alerts; return their UUIDs in the order of their events."""
    answer = send(school, *events)
    assert [result.result for result in answer.results] == ["stored"] * len(events), answer
    with tenant_scope([school.organization]):
        names = [str(event["alert_id"]) for event in events]
        known = {key.alert_id: key.id for key in AlertKey.objects.filter(alert_id__in=names)}
    return [known[name] for name in names]
