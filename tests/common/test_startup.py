"""What apps register in `ready()`, which Django runs again whenever the installed apps change."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.apps import apps

from apps.common import retention
from apps.common.operations import findings
from apps.common.retention import Rows


def test_apps_register_nothing_twice() -> None:
    before = (retention.registered(), findings.registered())
    for app in apps.get_app_configs():
        app.ready()
    assert (retention.registered(), findings.registered()) == before


def test_subject_has_one_retention_rule() -> None:
    rule = next(one for one in retention.registered() if isinstance(one, Rows))
    with pytest.raises(ValueError, match=rule.subject):
        retention.register(replace(rule, kept=rule.kept + timedelta(days=1)))
    assert rule in retention.registered()
