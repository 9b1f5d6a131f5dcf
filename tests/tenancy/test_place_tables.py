"""Import and export of places: all lines or none, and an export can be imported without changes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Role
from apps.common.access import SYSTEM
from apps.common.concurrency import transfers
from apps.common.csv import tables
from apps.common.csv.endpoints import Imported
from apps.common.db.scope import ScopeError, current_scope, tenant_scope
from apps.common.text import single_line
from apps.tenancy import services
from apps.tenancy.models import Building, Floor, Room, Site
from apps.tenancy.places import place_import
from apps.tenancy.places.place_table import PLACES
from tests.kit.callers import Caller, member, narrowed
from tests.kit.concurrency import in_the_middle_of
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory
from tests.kit.tables import counts, exported, faults, rows, sent
from tests.kit.trail import actions

pytestmark = pytest.mark.slow

DISTRICT = """\
site,building,floor_number,room_number,name,address,timezone,capacity,room_type
North,,,,,12 Elm Street,America/Chicago,,
North,Main,,,,14 Elm Street,,,
North,Main,-1,,Basement,,,,
North,Main,-1,B1,Boiler room,,,2,utility
North,Main,0,101,Art,,,30,classroom
South,Gym,0,1,Hall,,,,
"""


def imports(school: School) -> str:
    return f"organizations/{school.organization}/imports/places"


def exports(school: School) -> str:
    return f"organizations/{school.organization}/exports/places"


def tree(caller: Caller, school: School) -> Any:
    return caller.read(f"organizations/{school.organization}/tree")


def test_import_creates_places_and_their_parents(school: School, admin: Caller) -> None:
    """Two sites, two buildings, three floors and three rooms, of which four have no line of their own."""
    assert counts(sent(admin, imports(school), DISTRICT)) == (10, 0, 0)
    north, south = [site for site in tree(admin, school)["sites"] if site["name"] in {"North", "South"}]
    assert (north["address"], north["timezone"], south["timezone"]) == ("12 Elm Street", "America/Chicago", "UTC")
    (main,) = north["buildings"]
    assert [(floor["floor_number"], floor["name"]) for floor in main["floors"]] == [(-1, "Basement"), (0, None)]
    (boiler,) = main["floors"][0]["rooms"]
    assert (boiler["room_number"], boiler["name"], boiler["capacity"]) == ("B1", "Boiler room", 2)
    assert actions(school.organization)[-1] == "places.imported"


def test_repeated_import_changes_nothing(school: School, admin: Caller) -> None:
    sent(admin, imports(school), DISTRICT)
    before = tree(admin, school)
    assert counts(sent(admin, imports(school), DISTRICT)) == (0, 0, 6)
    assert tree(admin, school) == before


def test_line_of_an_existing_place_updates_it(school: School, admin: Caller) -> None:
    """An empty cell removes a value; an omitted column keeps it; nothing else is changed."""
    sent(admin, imports(school), DISTRICT)
    change = "site,building,floor_number,room_number,name\nNorth,Main,0,101,\nSouth,Gym,0,1,Hall\n"
    assert counts(sent(admin, imports(school), change)) == (0, 1, 1)
    with tenant_scope([school.organization]):
        art = Room.objects.get(room_number="101")
        assert (art.name, art.capacity, art.room_type) == (None, 30, "classroom")
    assert counts(sent(admin, imports(school), "site,timezone\nNorth,\n")) == (0, 1, 0)
    (north,) = [site for site in tree(admin, school)["sites"] if site["name"] == "North"]
    assert (north["timezone"], north["address"]) == ("UTC", "12 Elm Street")


def test_dry_run_returns_the_same_counts_and_changes_nothing(school: School, admin: Caller) -> None:
    before, trail_before = tree(admin, school), actions(school.organization)
    answer = sent(admin, imports(school), DISTRICT, dry_run="true")
    assert (counts(answer), answer.json()["dry_run"]) == ((10, 0, 0), True)
    assert tree(admin, school) == before
    assert actions(school.organization) == trail_before
    assert counts(sent(admin, imports(school), DISTRICT, dry_run="false")) == (10, 0, 0)
    assert set(refused(sent(admin, imports(school), DISTRICT, dry_run="maybe"), 400, "invalid")["errors"]) == {
        "dry_run"
    }


@pytest.mark.parametrize("dry_run", ["true", "false"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["East,,,101,x,"], [(2, "building"), (2, "floor_number")]),
        (["East,Main,,101,x,"], [(2, "floor_number")]),
        (["East,,0,,x,"], [(2, "building")]),
        ([",Main,0,101,x,"], [(2, "site")]),
        (["East,Main,0,101,x,1", "East,Main,0,102,x,many"], [(3, "capacity")]),
        (["East,Main,0,101,x,1", "East,Main,0,102,y,2", "East,Main,0,101,z,3"], [(4, None)]),
        (["East,Main,0,,x,", "East,Main,+0,,x,"], [(3, None)]),
        (["East,Main,,,x,"], [(2, "name")]),
        (["East,,,,,30"], [(2, "capacity")]),
        ([f"East,Main,0,,{'x' * 101},"], [(2, "name")]),
        (["East,Main,0,101,=HYPERLINK(1),"], [(2, "name")]),
        (["East,Main,ground,101,x,"], [(2, "floor_number")]),
        (["East,Main,2147483648,101,x,"], [(2, "floor_number")]),
        (["East,Main,0,101,x"], [(2, None)]),
    ],
)
def test_invalid_line_refuses_the_whole_import(
    school: School, admin: Caller, lines: list[str], expected: list[tuple[int, str | None]], dry_run: str
) -> None:
    """With valid lines around it; a dry run gives the same response."""
    header = "site,building,floor_number,room_number,name,capacity"
    table = "\n".join([header, *lines, "West,Main,0,101,Good,30"])
    before, trail_before = tree(admin, school), actions(school.organization)
    assert faults(sent(admin, imports(school), table, dry_run=dry_run)) == expected
    assert tree(admin, school) == before
    assert actions(school.organization) == trail_before


@pytest.mark.parametrize(
    "body",
    [
        b"PK\x03\x04" + DISTRICT.encode(),
        b"",
        DISTRICT.replace("capacity", "seats").encode(),
        b"site\n" + b"x\n" * (tables.MAX_LINES + 1),
        "site\nSchüle\n".encode("latin-1"),
    ],
    ids=["a workbook", "nothing", "unknown column", "too many lines", "Latin-1"],
)
def test_file_that_is_not_a_table_of_places_is_refused(school: School, admin: Caller, body: bytes) -> None:
    before = tree(admin, school)
    assert faults(sent(admin, imports(school), body))
    assert tree(admin, school) == before


def test_import_accepts_only_csv_up_to_the_size_limit(school: School, admin: Caller) -> None:
    refused(admin.post(imports(school), {"site": "North"}), 415, "unsupported_media_type")
    refused(sent(admin, imports(school), b"x" * (3 * 2**20)), 413, "too_large")


def test_ambiguous_place_name_is_reported(school: School, admin: Caller) -> None:
    with tenant_scope([school.organization]):
        services.create_site(actor=SYSTEM, organization_id=school.organization, name="Campus")
    assert faults(sent(admin, imports(school), "site,building\nEast,Main\nCampus,Gym\n")) == [(3, "site")]


def test_only_admins_of_the_whole_school_can_import_and_export(school: School) -> None:
    for caller in (
        member(Role.MANAGER, school),
        member(Role.OPERATOR, school),
        member(Role.VIEWER, school),
        narrowed(Role.ADMIN, school, buildings=frozenset({school.building})),
    ):
        refused(sent(caller, imports(school), DISTRICT), 403, "forbidden")
        refused(caller.get(exports(school)), 403, "forbidden")


def test_import_does_not_affect_another_school(school: School, admin: Caller) -> None:
    """Equal names match places of the caller's school only, and the import of another school is not found."""
    other = SchoolFactory.create()
    refused(sent(admin, imports(other), DISTRICT), 404, "not_found")
    refused(admin.get(exports(other)), 404, "not_found")
    sent(admin, imports(school), "site,building,address\nCampus,Main,Changed\n")
    with tenant_scope([other.organization]):
        assert set(Building.objects.values_list("address", flat=True)) == {None}


def test_export_can_be_imported_without_changes(school: School, admin: Caller) -> None:
    sent(admin, imports(school), DISTRICT)
    table = exported(admin, exports(school))
    before = tree(admin, school)
    assert len(rows(table)) == 17
    assert counts(sent(admin, imports(school), table)) == (0, 0, 17)
    assert tree(admin, school) == before


def test_formula_is_exported_as_text(school: School, admin: Caller) -> None:
    """According to OWASP ("CSV Injection"): a formula entered as a name is not evaluated when the file is opened."""
    admin.patch(f"rooms/{school.room}", {"name": '=HYPERLINK("http://evil.example","Art")'})
    names = {row["name"] for row in rows(exported(admin, exports(school)))}
    assert """'=HYPERLINK("http://evil.example","Art")""" in names
    assert not any(name.startswith("=") for name in names)


names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), min_size=1, max_size=12).map(
    lambda name: single_line(f"{name}x")
)
any_text = st.none() | st.builds(
    lambda start, name: single_line(start + name), st.sampled_from(["", "=", "'", "-", "@", "'="]), names
)
room = st.fixed_dictionaries(
    {"name": any_text, "capacity": st.none() | st.integers(0, 2**31 - 1), "room_type": any_text}
)
floor = st.tuples(any_text, st.dictionaries(names, room, max_size=3))
building = st.tuples(
    any_text, st.integers(0, 500), st.dictionaries(st.integers(-(2**31), 2**31 - 1), floor, max_size=2)
)
site = st.tuples(
    any_text,
    st.none() | st.decimals(-90, 90, places=8),
    st.none() | st.decimals(-180, 180, places=8),
    st.sampled_from(["UTC", "America/Denver"]),
    st.dictionaries(names, building, max_size=2),
)


@given(sites=st.dictionaries(names, site, max_size=3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_places_survive_export_and_import(sites: dict[str, Any], admin: Caller, school: School) -> None:
    """Importing into the same school changes nothing; importing into an empty one gives the same export."""
    twin = SchoolFactory.create()
    organizations = [school.organization, twin.organization]
    with tenant_scope(organizations):
        Site.objects.all().delete()
    with tenant_scope([school.organization]):
        make(school, sites)
    table = exported(admin, exports(school))
    lines = len(PLACES.read(table.encode()))
    assert counts(sent(admin, imports(school), table)) == (0, 0, lines)
    with tenant_scope([twin.organization]):
        done = place_import.import_places(actor=SYSTEM, organization_id=twin.organization, body=table.encode())
    assert (done.created, done.updated, done.unchanged) == (lines, 0, 0)
    there = member(Role.ADMIN, twin)
    assert exported(there, exports(twin)) == table


def make(school: School, sites: dict[str, Any]) -> None:
    for name, (address, latitude, longitude, timezone, buildings) in sites.items():
        one = services.create_site(
            actor=SYSTEM,
            organization_id=school.organization,
            name=name,
            address=address,
            latitude=latitude,
            longitude=longitude,
            timezone=timezone,
        )
        for building_name, (building_address, count, floors) in buildings.items():
            two = services.create_building(
                actor=SYSTEM, site=one, name=building_name, address=building_address, floor_count=count
            )
            for number, (floor_name, rooms_of) in floors.items():
                three = services.create_floor(actor=SYSTEM, building=two, floor_number=number, name=floor_name)
                for room_number, values in rooms_of.items():
                    services.create_room(actor=SYSTEM, floor=three, room_number=room_number, **values)


def test_export_holds_no_transaction_and_no_slot_while_the_client_reads(school: School, admin: Caller) -> None:
    """More clients than are admitted at once each get an export, although none has read theirs."""
    unread: list[Any] = []
    for _ in range(transfers.places + 1):
        unread.append(admin.get(exports(school)))
        assert unread[-1].status_code == 200
        with pytest.raises(ScopeError):
            current_scope()
        assert not connection.in_atomic_block
    assert len({b"".join(answer) for answer in unread}) == 1


def test_export_takes_a_constant_number_of_queries(school: School, admin: Caller) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            exported(admin, exports(school))
        return len(captured)

    before = queries()
    with tenant_scope([school.organization]):
        there = Floor.objects.get(id=school.floor)
        for number in range(20):
            services.create_room(actor=SYSTEM, floor=there, room_number=f"x{number}")
    assert queries() == before


def test_import_takes_a_constant_number_of_queries(school: School, admin: Caller) -> None:
    def queries(lines: int, floor_number: int) -> int:
        table = "site,building,floor_number,room_number\n" + "".join(
            f"Campus,Main,{floor_number},{number}\n" for number in range(lines)
        )
        with CaptureQueriesContext(connection) as captured:
            assert counts(sent(admin, imports(school), table)) == (lines + 1, 0, 0)
        return len(captured)

    assert queries(200, 2_000_001) == queries(2, 2_000_002)


def test_concurrent_imports_create_each_place_once(school: School) -> None:
    def run() -> Callable[[], object]:
        return lambda: place_import.import_places(
            actor=SYSTEM, organization_id=school.organization, body=DISTRICT.encode()
        )

    second = in_the_middle_of(run(), run(), organizations=[school.organization])
    assert second.result() == Imported(0, 0, 6)
    with tenant_scope([school.organization]):
        assert Site.objects.filter(name="North").count() == 1


def test_room_created_during_an_import_is_a_conflict(school: School) -> None:
    """The import is rolled back as a whole."""
    with tenant_scope([school.organization]):
        there = Floor.objects.select_related("building").get(id=school.floor)
    table = f"site,building,floor_number,room_number\nEast,,,\nCampus,Main,{there.floor_number},9x\n"
    imported = in_the_middle_of(
        lambda: services.create_room(actor=SYSTEM, floor=there, room_number="9x"),
        lambda: place_import.import_places(actor=SYSTEM, organization_id=school.organization, body=table.encode()),
        organizations=[school.organization],
    )
    with pytest.raises(services.PlaceTaken):
        imported.result()
    with tenant_scope([school.organization]):
        assert not Site.objects.filter(name="East").exists()
