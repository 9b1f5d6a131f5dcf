"""A place with devices, gateways or open alerts cannot be deleted, even if they are added concurrently."""

import secrets

import msgspec
import pytest
from django.utils import timezone

from apps.accounts.rights.grants import person_principal
from apps.alerts.ingest import service
from apps.alerts.models import Alert
from apps.common.access import SYSTEM, Principal
from apps.common.db.scope import tenant_scope
from apps.common.problems import NotFound
from apps.devices import services as devices
from apps.devices.models import Device, DeviceStatus
from apps.tenancy import services
from apps.tenancy.models import Building, Floor, Room, Site
from apps.tenancy.occupancy import NAMES_SHOWN, PlaceInUse
from tests.kit.callers import Caller, document
from tests.kit.concurrency import in_the_middle_of
from tests.kit.presses import raise_alert, raised
from tests.kit.refusals import refused
from tests.kit.school import School, device_name

pytestmark = pytest.mark.slow


def in_the_way(caller: Caller, path: str) -> dict[str, tuple[int, list[str]]]:
    """Delete a place and return what blocks the deletion."""
    found = refused(caller.delete(path), 409, "place_in_use")["in_the_way"]
    return {one["what"]: (one["count"], one["names"]) for one in found}


def test_deletion_of_a_place_with_devices_is_refused(school: School, admin: Caller) -> None:
    for path in (f"rooms/{school.room}", f"floors/{school.floor}"):
        assert in_the_way(admin, path) == {"devices": (1, [school.device])}
    assert in_the_way(admin, f"buildings/{school.building}") == {
        "devices": (1, [school.device]),
        "gateways": (1, ["Gateway"]),
    }
    assert in_the_way(admin, f"sites/{school.site}") == {
        "devices": (2, sorted([school.device, school.other_device])),
        "gateways": (1, ["Gateway"]),
    }
    assert admin.read(f"rooms/{school.room}")["id"] == str(school.room)


def test_only_the_first_of_many_devices_are_named(school: School, admin: Caller) -> None:
    more = {device_name(): school.room for _ in range(2 * NAMES_SHOWN)}
    with tenant_scope([school.organization]):
        devices.register_devices(actor=SYSTEM, organization_id=school.organization, rooms=more, now=timezone.now())
    count, names = in_the_way(admin, f"rooms/{school.room}")["devices"]
    assert (count, names) == (2 * NAMES_SHOWN + 1, sorted([*more, school.device])[:NAMES_SHOWN])


def decommission_devices(school: School) -> None:
    """Decommission the devices of the school and keep its alerts."""
    with tenant_scope([school.organization]):
        Device.objects.update(status=DeviceStatus.DECOMMISSIONED)


def test_open_alert_blocks_deletion_until_it_is_closed(school: School, admin: Caller) -> None:
    """Then the place can be deleted, and the record of the alert keeps its place."""
    alert = raise_alert(school)
    decommission_devices(school)
    for path in (f"rooms/{school.room}", f"floors/{school.floor}"):
        assert in_the_way(admin, path) == {"open_alerts": (1, [str(alert)])}
    assert in_the_way(admin, f"buildings/{school.building}")["open_alerts"] == (1, [str(alert)])
    admin.put(f"alerts/{alert}/resolve", {"reason": "test"})
    before = admin.read(f"alerts/{alert}")
    assert admin.delete(f"rooms/{school.room}").status_code == 204
    assert admin.read(f"alerts/{alert}") == before | {"room_id": None}
    assert before["place"]["room"]["id"] == str(school.room)


def test_decommissioned_device_does_not_block_deletion(school: School, admin: Caller) -> None:
    decommission_devices(school)
    assert admin.delete(f"rooms/{school.room}").status_code == 204
    with tenant_scope([school.organization]):
        assert Device.objects.get(device_id=school.device).room_id is None


@pytest.fixture
def actor(admin: Caller) -> Principal:
    principal = person_principal(admin.person.id)
    assert principal
    return principal


def vacant_room(school: School) -> Room:
    with tenant_scope([school.organization]):
        floor = Floor.objects.get(id=school.floor)
        return services.create_room(actor=SYSTEM, floor=floor, room_number=secrets.token_hex(4))


def register_device(school: School, room: Room) -> str:
    name = device_name()
    devices.register_devices(
        actor=SYSTEM, organization_id=school.organization, rooms={name: room.id}, now=timezone.now()
    )
    return name


def test_device_registered_while_its_room_is_deleted_is_refused(school: School, actor: Principal) -> None:
    room = vacant_room(school)
    placed = in_the_middle_of(
        lambda: services.delete_place(actor=actor, kind=Room, place_id=room.id, if_match=None),
        lambda: register_device(school, room),
        organizations=[school.organization],
    )
    with pytest.raises(NotFound):
        placed.result()
    with tenant_scope([school.organization]):
        assert not Room.objects.filter(id=room.id).exists()
        assert Device.objects.count() == 2


@pytest.mark.parametrize("kind", [Room, Floor, Building, Site])
def test_place_is_kept_when_a_device_is_registered_concurrently(
    school: School, actor: Principal, kind: type[Room | Floor | Building | Site]
) -> None:
    room = vacant_room(school)
    with tenant_scope([school.organization]):
        Device.objects.all().delete()
    place = {Room: room.id, Floor: school.floor, Building: school.building, Site: school.site}[kind]
    deleted = in_the_middle_of(
        lambda: register_device(school, room),
        lambda: services.delete_place(actor=actor, kind=kind, place_id=place, if_match=None),
        organizations=[school.organization],
    )
    with pytest.raises(PlaceInUse) as refusal:
        deleted.result()
    assert "'devices', 'count': 1" in str(refusal.value.extra)
    with tenant_scope([school.organization]):
        assert Device.objects.get().room_id == room.id


def test_site_is_kept_when_a_room_with_a_device_is_added_concurrently(
    school: School, admin: Caller, actor: Principal
) -> None:
    """The deletion locks not only existing rooms, but also floors on which a room can be created."""
    site = document(admin.post(f"organizations/{school.organization}/sites", {"name": "New"}), 201)
    building = document(admin.post(f"sites/{site['id']}/buildings", {"name": "New"}), 201)
    floor = document(admin.post(f"buildings/{building['id']}/floors", {"floor_number": 0}), 201)

    def build_and_fill() -> None:
        new = services.create_room(actor=SYSTEM, floor=Floor.objects.get(id=floor["id"]), room_number="1")
        register_device(school, new)

    deleted = in_the_middle_of(
        build_and_fill,
        lambda: services.delete_place(actor=actor, kind=Site, place_id=site["id"], if_match=None),
        organizations=[school.organization],
    )
    with pytest.raises(PlaceInUse):
        deleted.result()
    assert admin.read(f"floors/{floor['id']}/rooms")["results"]


def test_room_cannot_be_created_on_a_floor_being_deleted(school: School, admin: Caller, actor: Principal) -> None:
    floor = document(admin.post(f"buildings/{school.building}/floors", {"floor_number": 77}), 201)

    def build() -> Room:
        there = Floor.objects.get(id=floor["id"])
        return services.create_room(actor=actor, floor=there, room_number="1")

    built = in_the_middle_of(
        lambda: services.delete_place(actor=actor, kind=Floor, place_id=floor["id"], if_match=None),
        build,
        organizations=[school.organization],
    )
    with pytest.raises(NotFound):
        built.result()


def test_press_in_a_room_being_deleted_is_an_alert(school: School, actor: Principal) -> None:
    """Its room no longer exists when it is stored, so the alert has none; but it is recorded."""
    decommission_devices(school)
    event = raised(school)
    request = service.parse(msgspec.json.encode({"epoch": school.epoch, "events": [event]}))
    answered = in_the_middle_of(
        lambda: services.delete_place(actor=actor, kind=Room, place_id=school.room, if_match=None),
        lambda: service.ingest(gateway=school.gateway_principal, request=request, received_at=timezone.now()),
        organizations=[school.organization],
    )
    assert [result.result for result in answered.result().results] == ["stored"]
    with tenant_scope([school.organization]):
        alert = Alert.objects.get()
    assert (alert.alert_id, alert.room_id, alert.hardware_id) == (event["alert_id"], None, school.device)
