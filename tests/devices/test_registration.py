"""Registering buttons and gateways and adding rules: checked, recorded and announced."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.accounts.rights.grants import person_principal
from apps.common.access import ANONYMOUS, SYSTEM, Principal
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from apps.common.problems import Forbidden, NotFound
from apps.devices import services
from tests.kit.feed import published_ids
from tests.kit.people import PersonFactory
from tests.kit.school import School, device_name

Write = Callable[[Principal, School], object]


def register_devices(actor: Principal, school: School) -> None:
    rooms = {device_name(): school.room}
    services.register_devices(actor=actor, organization_id=school.organization, rooms=rooms, now=timezone.now())


def register_gateway(actor: Principal, school: School) -> None:
    services.register_gateway(
        actor=actor,
        organization_id=school.organization,
        name="Annex",
        public_key="none",
        buildings=[school.other_building],
    )


def add_rule(actor: Principal, school: School) -> None:
    services.add_rule(actor=actor, organization_id=school.organization, key=2, pattern="long", alert_type="assist")


WRITES = [
    (register_devices, "device.register", "devices"),
    (register_gateway, "gateway.register", "gateways"),
    (add_rule, "rule.create", "configuration"),
]


@pytest.mark.parametrize(("write", "action", "resource"), WRITES)
def test_write_is_recorded_and_announced(write: Write, action: str, resource: str, school: School) -> None:
    person = person_principal(PersonFactory.create(role=Role.ADMIN, organization=school.organization).id)
    assert person is not None
    for actor in (SYSTEM, person):
        with tenant_scope([school.organization]):
            write(actor, school)
            entry = AuditEntry.objects.filter(action=action).latest("at")
        assert (entry.actor_kind, entry.actor_id) == (actor.kind, actor.id)
    assert len(published_ids(school.organization, resource)) == 2


@pytest.mark.parametrize(("write", "action", "resource"), WRITES)
def test_write_is_refused_without_permission(write: Write, action: str, resource: str, school: School) -> None:
    viewer = person_principal(PersonFactory.create(role=Role.VIEWER, organization=school.organization).id)
    assert viewer is not None
    for actor, refusal in ((viewer, Forbidden), (ANONYMOUS, NotFound), (replace(viewer, grants={}), NotFound)):
        with pytest.raises(refusal), tenant_scope([school.organization]):
            write(actor, school)
    assert published_ids(school.organization, resource) == []
