"""Kinds of trouble: those of gateways are in the contract, and the cloud adds its own."""

from apps.devices.trouble_kinds import SUPERVISED, WITHOUT_PRESS
from contracts import gateway_troubles


def test_kinds_without_press_are_reported_by_cloud_or_gateway() -> None:
    unknown = WITHOUT_PRESS - SUPERVISED - gateway_troubles().keys()
    assert not unknown, "Name these in contracts/gateway_troubles.json, or take them out of WITHOUT_PRESS."


def test_cloud_and_gateway_share_no_kind() -> None:
    assert not SUPERVISED & gateway_troubles().keys()
