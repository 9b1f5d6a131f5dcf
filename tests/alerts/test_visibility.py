"""Visibility of alerts by place: the list, one alert, the admin's filter and the rule itself never disagree."""

from itertools import product
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import Role
from apps.alerts.models import Alert, AlertStatus
from apps.alerts.selectors import AlertNotFound, alert_document, alert_page
from apps.alerts.visibility import visibility
from apps.common.access import Grant, Pair, Places, Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.http.pagination import PageQuery
from apps.common.problems import Forbidden
from tests.kit.people import PersonFactory
from tests.kit.presses import alert_elsewhere, raise_alert
from tests.kit.school import School, SchoolFactory, device_name

RIGHTS: Final[list[Pair]] = [
    ("alerts", "read"),
    ("open_alerts", "read"),
    ("closed_alerts", "read"),
    ("silent_alerts", "read"),
]
pytestmark = pytest.mark.slow

held = st.frozensets(st.sampled_from(RIGHTS))


@pytest.fixture(scope="module")
def full(database: None) -> School:
    """Alerts here, in the other building and at an unknown place: open and closed, silent and not."""
    school = SchoolFactory.create()
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    for silent, closed in product((False, True), repeat=2):
        made = [raise_alert(school, silent=silent), raise_alert(school, silent=silent, device=device_name())]
        for alert in made if closed else ():
            assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    alert_elsewhere(school)
    return school


@given(everywhere=held, here=held, there=held, narrowed=st.booleans())
def test_every_endpoint_follows_the_visibility_rule(
    full: School, everywhere: frozenset[Pair], here: frozenset[Pair], there: frozenset[Pair], narrowed: bool
) -> None:
    places = Places(buildings={full.building: here, full.other_building: there})
    grant = Grant(full.organization, "any", frozenset() if narrowed else everywhere, places if narrowed else None)
    rule = visibility(grant)
    principal = Principal(PrincipalKind.PERSON, new_id(), "Tess", {full.organization: grant})
    with tenant_scope([full.organization]):
        alerts = list(Alert.objects.all())
        ruled = {one.id for one in alerts if rule.shows(one.status, one.building_id, silent=one.is_silent)}
        assert {one.id for one in Alert.objects.filter(rule.as_filter())} == ruled
        assert listed(principal, full.organization) == ruled
        assert {one.id for one in alerts if opens(principal, one.id)} == ruled


def listed(principal: Principal, organization: UUID) -> set[UUID]:
    try:
        page = alert_page(
            principal=principal, organization=organization, statuses=list(AlertStatus), query=PageQuery(100)
        )
    except Forbidden:
        return set()
    return {row.id for row in page.items}


def opens(principal: Principal, alert: UUID) -> bool:
    try:
        return str(alert) in alert_document(principal=principal, alert_uuid=alert)
    except (AlertNotFound, Forbidden):
        return False
