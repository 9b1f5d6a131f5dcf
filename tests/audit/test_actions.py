"""The names under which the audit trail records writes."""

from collections.abc import Callable
from itertools import chain
from typing import get_type_hints

import pytest

from apps.accounts.audit_actions import AuditAction as AccountsAction
from apps.alerts.audit_actions import AuditAction as AlertsAction
from apps.alerts.ingest.messages import ActionEvent, AlertAcknowledged, AlertResolved, Event
from apps.common import audit
from apps.common.changes import record_change
from apps.common.models import AuditEntry
from apps.devices.audit_actions import AuditAction as DevicesAction
from apps.tenancy.audit_actions import AuditAction as TenancyAction

ENUMS: list[type[audit.Action]] = [audit.CommonAction, TenancyAction, AccountsAction, DevicesAction, AlertsAction]


@pytest.mark.parametrize("recorder", [audit.record, record_change])
def test_recorder_takes_only_members_of_the_enums(recorder: Callable[..., None]) -> None:
    """With this annotation mypy refuses any other string, wherever something is recorded."""
    assert get_type_hints(recorder)["action"] is audit.Action
    assert set(audit.Action.__subclasses__()) == set(ENUMS)


def test_action_has_one_meaning_and_fits_its_column() -> None:
    values = [str(action) for action in chain.from_iterable(ENUMS)]
    assert len(set(values)) == len(values)
    assert max(map(len, values)) <= (AuditEntry._meta.get_field("action").max_length or 0)


@pytest.mark.parametrize("event", [AlertAcknowledged, AlertResolved, *ActionEvent.__subclasses__()])
def test_event_about_a_foreign_alert_has_an_action(event: type[Event]) -> None:
    assert AlertsAction(str(event.__struct_config__.tag)).name.startswith("FOREIGN_")
