"""Import and export of devices: all lines or none, and an export can be imported without changes."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Role
from apps.common.access import SYSTEM
from apps.common.csv.endpoints import Imported
from apps.common.db.scope import tenant_scope
from apps.common.problems import NotFound
from apps.common.text import single_line
from apps.devices.models import Device, DeviceStatus, Gateway
from apps.devices.registration import device_import
from apps.tenancy import services as tenancy
from apps.tenancy.models import Floor, Room
from tests.kit.callers import Caller, member
from tests.kit.concurrency import in_the_middle_of
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory, device_name
from tests.kit.tables import counts, exported, faults, rows, sent
from tests.kit.trail import actions

pytestmark = pytest.mark.slow


def imports(school: School) -> str:
    return f"organizations/{school.organization}/imports/devices"


def exports(school: School) -> str:
    return f"organizations/{school.organization}/exports/devices"


def devices(school: School) -> list[dict[str, Any]]:
    with tenant_scope([school.organization]):
        return [{**row} for row in Device.objects.order_by("device_id").values()]


def place_of(school: School) -> str:
    """The cells that name the first room."""
    with tenant_scope([school.organization]):
        room = Room.objects.select_related("floor__building__site").get(id=school.room)
    return f"Campus,Main,{room.floor.floor_number},{room.room_number}"


def test_import_registers_devices_in_their_rooms(school: School, admin: Caller) -> None:
    """They are inactive until provisioned, but a press of one is an alert nevertheless."""
    one, two = device_name(), device_name()
    table = (
        "device_id,site,building,floor_number,room_number,serial_number,power\n"
        f"{one},{place_of(school)},SN-{one},battery\n{two},,,,,,\n"
    )
    assert counts(sent(admin, imports(school), table)) == (2, 0, 0)
    with tenant_scope([school.organization]):
        made = Device.objects.get(device_id=one)
        assert (made.room_id, made.serial_number, made.power) == (school.room, f"SN-{one}", "battery")
        assert (made.status, made.device_type) == (DeviceStatus.INACTIVE, "button")
        assert Device.objects.get(device_id=two).room_id is None
    assert actions(school.organization)[-1] == "devices.imported"


def test_line_of_a_known_device_updates_it(school: School, admin: Caller) -> None:
    """An omitted column keeps its value; an empty place removes the device from its room."""
    change = f"device_id,hardware_version\n{school.device},B2\n"
    assert counts(sent(admin, imports(school), change)) == (0, 1, 0)
    assert counts(sent(admin, imports(school), change)) == (0, 0, 1)
    with tenant_scope([school.organization]):
        device = Device.objects.get(device_id=school.device)
        assert (device.hardware_version, device.room_id, device.status) == ("B2", school.room, "active")
    away = f"device_id,site,building,floor_number,room_number\n{school.device},,,,\n"
    assert counts(sent(admin, imports(school), away)) == (0, 1, 0)
    with tenant_scope([school.organization]):
        assert Device.objects.get(device_id=school.device).room_id is None


def test_import_raises_the_configuration_version_of_affected_gateways(school: School, admin: Caller) -> None:
    def version() -> int:
        with tenant_scope([school.organization]):
            return Gateway.objects.get().configuration_version

    before = version()
    header = "device_id,site,building,floor_number,room_number\n"
    sent(admin, imports(school), f"{header}{device_name()},,,,\n")
    assert version() == before
    sent(admin, imports(school), f"{header}{device_name()},{place_of(school)}\n", dry_run="true")
    assert version() == before
    sent(admin, imports(school), f"{header}{device_name()},{place_of(school)}\n")
    assert version() == before + 1
    sent(admin, imports(school), f"{header}{school.device},,,,\n")
    assert version() == before + 2


@pytest.mark.parametrize("dry_run", ["true", "false"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["{own},Campus,Main,0,none,"], [(2, "floor_number")]),
        (["{new},Nowhere,Main,0,1,"], [(2, "site")]),
        (["{new},Campus,Nowhere,0,1,"], [(2, "building")]),
        (["{new},,Main,0,1,"], [(2, "site")]),
        (["{new},Campus,,,,"], [(2, "building")]),
        (["{new},,,,,", "{new},,,,,"], [(3, "device_id")]),
        (["BUTTON-7,,,,,"], [(2, "device_id")]),
        (["{foreign},,,,,"], [(2, "device_id")]),
        (["{gone},,,,,"], [(2, "device_id")]),
        (["{new},,,,,S1", "{own},,,,,S1"], [(3, "serial_number")]),
        (["{new},,,,,=cmd()"], [(2, "serial_number")]),
    ],
)
def test_invalid_line_refuses_the_whole_import(
    school: School, admin: Caller, lines: list[str], expected: list[tuple[int, str | None]], dry_run: str
) -> None:
    """For unknown places, devices that are decommissioned or of another school, and duplicates."""
    gone = device_name()
    with tenant_scope([school.organization]):
        Device.objects.create(organization_id=school.organization, device_id=gone, status=DeviceStatus.DECOMMISSIONED)
    names = {"own": school.device, "new": device_name(), "foreign": SchoolFactory.create().device, "gone": gone}
    table = "\n".join(
        ["device_id,site,building,floor_number,room_number,serial_number"]
        + [line.format_map(names) for line in lines]
        + [f"{device_name()},,,,,"]
    )
    before = devices(school)
    assert faults(sent(admin, imports(school), table, dry_run=dry_run)) == expected
    assert devices(school) == before


@pytest.mark.parametrize("second", ["SN-1-{x}", ""])
def test_serial_numbers_can_move_between_devices_of_one_table(school: School, admin: Caller, second: str) -> None:
    """Only the state after the whole table must be valid: for a swap, and for a number that another device gives up."""
    x, y, z = device_name(), device_name(), device_name()
    header = "device_id,serial_number\n"
    sent(admin, imports(school), f"{header}{x},SN-1-{x}\n{y},SN-2-{x}\n")
    table = f"{header}{x},{'' if second == '' else f'SN-2-{x}'}\n{y},SN-1-{x}\n"
    assert counts(sent(admin, imports(school), table)) == (0, 2, 0)
    assert counts(sent(admin, imports(school), f"{header}{z},SN-1-{x}\n{y},\n")) == (1, 1, 0)
    assert faults(sent(admin, imports(school), f"{header}{y},SN-1-{x}\n")) == [(2, "serial_number")]


def test_refusal_does_not_reveal_the_owner_of_a_device(school: School, admin: Caller) -> None:
    """The response is the same for a device of another school and for the serial number of one."""
    other = SchoolFactory.create()
    with tenant_scope([other.organization]):
        Device.objects.filter(device_id=other.device).update(serial_number=f"SN-{other.device}")
    answers = [
        sent(admin, imports(school), f"device_id\n{other.device}\n"),
        sent(admin, imports(school), f"device_id,serial_number\n{device_name()},SN-{other.device}\n"),
    ]
    assert answers[0].content == answers[1].content
    assert str(other.organization) not in answers[0].content.decode()
    taken = sent(admin, imports(school), f"device_id,serial_number\n{school.device},SN-{other.device}\n")
    refused(taken, 409, "device_taken")


def test_managers_can_import_and_operators_cannot(school: School) -> None:
    table = f"device_id\n{device_name()}\n"
    refused(sent(member(Role.OPERATOR, school), imports(school), table), 403, "forbidden")
    assert counts(sent(member(Role.MANAGER, school), imports(school), table)) == (1, 0, 0)


serials = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"]), max_size=8).map(
    lambda serial: single_line(f"={serial}x")
)
some_devices = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(["button", "sensor"]),
        st.sampled_from(["mains", "battery"]),
        serials,
        st.none() | st.just("aa:bb:cc:dd:ee:ff"),
    ),
    max_size=6,
)


@given(some_devices)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_can_be_imported_without_changes(admin: Caller, school: School, some: list[Any]) -> None:
    with tenant_scope([school.organization]):
        for is_placed, kind, power, serial, mac in some:
            name = device_name()
            Device.objects.create(
                organization_id=school.organization,
                device_id=name,
                room_id=school.room if is_placed else None,
                device_type=kind,
                power=power,
                serial_number=serial and f"{serial}{name}",
                mac_address=mac,
            )
    before = devices(school)
    table = exported(admin, exports(school))
    assert [row["device_id"] for row in rows(table)] == [one["device_id"] for one in before]
    assert counts(sent(admin, imports(school), table)) == (0, 0, len(before))
    assert devices(school) == before


def test_import_takes_a_constant_number_of_queries(school: School, admin: Caller) -> None:
    def queries(lines: int) -> int:
        table = "device_id\n" + "".join(f"{device_name()}\n" for _ in range(lines))
        with CaptureQueriesContext(connection) as captured:
            assert counts(sent(admin, imports(school), table)) == (lines, 0, 0)
        return len(captured)

    assert queries(2) == queries(200)


def test_import_is_refused_when_its_room_is_deleted_meanwhile(school: School) -> None:
    with tenant_scope([school.organization]):
        floor = Floor.objects.get(id=school.floor)
        room = tenancy.create_room(actor=SYSTEM, floor=floor, room_number="77")
    new = device_name()
    table = f"device_id,site,building,floor_number,room_number\n{new},Campus,Main,{floor.floor_number},77\n"

    def run() -> Imported:
        return device_import.import_devices(actor=SYSTEM, organization_id=school.organization, body=table.encode())

    imported = in_the_middle_of(
        lambda: Room.objects.filter(id=room.id).delete(), run, organizations=[school.organization]
    )
    with pytest.raises(NotFound):
        imported.result()
    assert new not in {one["device_id"] for one in devices(school)}
