"""Changes of the data of a gateway's configuration raise its version, and the gateway is notified."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Role
from apps.common import feed
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.gateways.configuration import Configuration, build_configuration
from apps.devices.models import Device, DeviceStatus, Gateway, GatewayBuilding, GatewayRule
from apps.tenancy.models import Room
from tests.kit.people import PersonFactory
from tests.kit.school import School, SchoolFactory

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
OTHER_VALUE: Final = {
    "uuid": "(SELECT t.{column} FROM {table} t WHERE t.{column} <> {table}.{column} LIMIT 1)",
    "integer": "coalesce({column}, 0) + 1",
    "smallint": "coalesce({column}, 0) + 1",
    "bigint": "coalesce({column}, 0) + 1",
    "boolean": "NOT {column}",
    "timestamp with time zone": "now() + interval '1 day'",
    "jsonb": "'{{\"changed\": true}}'",
    "text": "concat({column}, 'x')",
    "character varying": "CASE WHEN {column} = 'active' THEN 'maintenance' ELSE concat({column}, 'x') END",
}
"""A value that a column does not have, by its type."""


@pytest.fixture
def school() -> School:
    """A school with a second button and room in the first building, a second gateway, and rules of each kind."""
    school = SchoolFactory.create()
    with tenant_scope([school.organization]):
        floor = Room.objects.get(id=school.room).floor
        Room.objects.create(organization_id=school.organization, floor=floor, room_number="2")
        device = Device.objects.get(device_id=school.device)
        GatewayRule.objects.create(
            organization_id=school.organization, device=device, room_id=school.room, pattern="long", alert_type="fire"
        )
        devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name="Annex",
            public_key="none",
            buildings=[school.other_building],
        )
    return school


def document(school: School, gateway: UUID) -> Configuration:
    return build_configuration(school.organization, gateway, version=0, now=EPOCH)


def versions(school: School) -> dict[UUID, int]:
    return dict(Gateway.objects.values_list("id", "configuration_version"))


def tables_read(school: School) -> set[str]:
    with tenant_scope([school.organization]), CaptureQueriesContext(connection) as queries:
        document(school, school.gateway)
    return {name for query in queries for name in re.findall(r'(?:FROM|JOIN) "(\w+)"', query["sql"])}


def delete_all(model: type[Model]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {model._meta.db_table}")


def columns(table: str) -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [table],
        )
        yield from cursor.fetchall()


def test_change_of_every_column_in_a_configuration_raises_its_version(school: School) -> None:
    """For each column of each table that is read, in every row: when the document changes, so does its version."""
    tables = tables_read(school)
    assert {"rooms", "floors", "buildings", "devices", "gateway_rules", "gateway_buildings"} <= tables
    with tenant_scope([school.organization]):
        gateways = list(versions(school))
    unversioned, effective = [], set()
    for table in sorted(tables):
        for column, kind in columns(table):
            with tenant_scope([school.organization]):
                before = {one: document(school, one) for one in gateways}, versions(school)
                try:
                    with transaction.atomic(), connection.cursor() as cursor:
                        value = OTHER_VALUE[kind].format(table=table, column=column)
                        cursor.execute(f"UPDATE {table} SET {column} = {value} WHERE {value} IS NOT NULL")
                except DatabaseError:
                    continue  # PostgreSQL refuses to change this column: a key, or a value with a constraint
                after = {one: document(school, one) for one in gateways}, versions(school)
                connection.set_rollback(True)
            for gateway in gateways:
                if before[0][gateway] != after[0][gateway]:
                    effective.add((table, column))
                    if before[1][gateway] == after[1][gateway]:
                        unversioned.append(f"{table}.{column}")
    assert not unversioned
    assert {("rooms", "name"), ("devices", "room_id"), ("gateway_rules", "alert_type")} <= effective


def test_columns_outside_configurations_raise_no_version(school: School) -> None:
    """Such as the time a device was last seen, or its being missing."""
    with tenant_scope([school.organization]):
        before = versions(school)
        Device.objects.update(last_seen_at=timezone.now(), firmware_version="2")
        Device.objects.update(status=DeviceStatus.OFFLINE)
        Device.objects.update(status=DeviceStatus.ACTIVE)
        assert versions(school) == before


def test_inserted_and_deleted_rows_raise_the_version_of_affected_gateways(school: School) -> None:
    """Other gateways keep theirs."""
    with tenant_scope([school.organization]):
        before = versions(school)
        (annex,) = set(before) - {school.gateway}
        Device.objects.filter(device_id=school.other_device).update(room_id=None)
        assert versions(school) == before | {annex: before[annex] + 1}
        room = Room.objects.exclude(id=school.room).filter(floor__building_id=school.building).get()
        room.delete()
        assert versions(school)[school.gateway] == before[school.gateway] + 1
        devices.add_rule(actor=SYSTEM, organization_id=school.organization, key=2, pattern="long", alert_type="fire")
        assert versions(school) == {school.gateway: before[school.gateway] + 2, annex: before[annex] + 2}


@pytest.mark.parametrize(
    "models", [(GatewayRule, Device, Room), (GatewayBuilding,)], ids=["rules, buttons and rooms", "buildings"]
)
def test_every_inserted_or_deleted_row_raises_the_versions_it_changes(
    school: School, models: tuple[type[Model], ...]
) -> None:
    """Delete the rows table by table and insert them again."""
    with tenant_scope([school.organization]):
        gateways, managers = list(versions(school)), [model._base_manager for model in models]
        rows = [list(manager.all()) for manager in managers]
        deletions: list[Callable[[], object]] = [partial(delete_all, model) for model in models]
        insertions: list[Callable[[], object]] = [
            partial(manager.bulk_create, of_it) for manager, of_it in zip(managers, rows, strict=True)
        ]
        for change in [*deletions, *reversed(insertions)]:
            documents, before = {one: document(school, one) for one in gateways}, versions(school)
            change()
            after = versions(school)
            changed = {one for one in gateways if document(school, one) != documents[one]}
            assert changed == {one for one in gateways if after[one] != before[one]} and changed
        connection.set_rollback(True)


def test_moved_button_is_announced_once_per_transaction(school: School) -> None:
    """Once per transaction, whatever the number of changed rows; never when it is rolled back."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with tenant_scope([school.organization]):
        before = versions(school)
    answer = admin.client.patch(
        f"/api/v1/rooms/{school.room}", data={"name": "Art studio"}, content_type="application/json"
    )
    assert answer.status_code == 200, answer.content
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=school.device).update(room_id=None)
        Device.objects.filter(device_id=school.device).update(room_id=school.room)
    with tenant_scope([school.organization]):
        Device.objects.update(room_id=None)
        connection.set_rollback(True)
    with tenant_scope([school.organization]):
        announced = [
            msgspec.json.decode(message.text)
            for message in feed.since(school.organization, 0, limit=100)
            if message.envelope.kind == "config.changed"
        ]
    of_ours = [(one["gateway"], one["version"]) for one in announced if one["gateway"] == str(school.gateway)]
    first = before[school.gateway] + 1
    assert of_ours[-2:] == [(str(school.gateway), first), (str(school.gateway), first + 2)]
