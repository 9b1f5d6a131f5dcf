"""The gateway and the contract's examples: the valid is understood, the invalid is refused or alarms with a doubt."""

import json

import msgspec
import pytest

from contracts import Example, examples, grammar, topics
from contracts.validation import problems
from edge_agent.button_side import SUBSCRIPTIONS
from edge_agent.decision.lifecycle import Stage
from edge_agent.messages.building import Ack, play_topic
from edge_agent.messages.cloud import Answer, Configuration, Downlink, Token
from edge_agent.messages.press import DEVICE as DEVICE_ID
from edge_agent.messages.press import UNIDENTIFIED, Press, read_press

DEVICE = "ss-7c9ebd12f0a4"


def name(example: Example) -> str:
    return example.name


@pytest.mark.parametrize("example", examples("press", "valid"), ids=name)
def test_a_valid_press_is_read_without_a_doubt(example: Example) -> None:
    device = json.loads(example.raw)["device"]
    found = read_press(device, example.raw)
    assert isinstance(found, Press) and not found.doubts
    assert found.pattern == json.loads(example.raw)["pattern"]


@pytest.mark.parametrize("example", examples("press", "frozen_core"), ids=name)
def test_a_press_with_a_readable_core_is_a_press(example: Example) -> None:
    value = json.loads(example.raw)
    found = read_press(value["device"], example.raw)
    assert isinstance(found, Press)
    assert (found.id, found.pattern) == ((value["device"], value["inst"], value["seq"]), value["pattern"])


@pytest.mark.parametrize("example", examples("press", "invalid"), ids=name)
def test_invalid_press_is_read_with_a_doubt(example: Example) -> None:
    """The broker has proved the topic's device, so whatever it sends is a press by somebody. What is wrong in it is
    doubted, and is not taken over."""
    found = read_press(DEVICE, example.raw)
    assert found.doubts and found.device == DEVICE
    if example.name.startswith("pattern_"):
        assert found.pattern is None
    if example.name.startswith(("inst_", "seq_", "a_bare")):
        assert UNIDENTIFIED in found.doubts


@pytest.mark.parametrize("example", examples("edge_downlink", "valid"), ids=name)
def test_every_message_of_the_cloud_is_understood(example: Example) -> None:
    assert msgspec.json.decode(example.raw, type=Downlink)


@pytest.mark.parametrize("example", examples("configuration", "valid"), ids=name)
def test_every_configuration_is_understood(example: Example) -> None:
    assert msgspec.json.decode(example.raw, type=Configuration).version >= 1


@pytest.mark.parametrize(
    ("message", "kind"), [("edge_answer", Answer), ("token_answer", Token)], ids=["edge_answer", "token_answer"]
)
def test_every_answer_is_understood(message: str, kind: type[object]) -> None:
    for example in examples(message, "valid"):
        assert isinstance(msgspec.json.decode(example.raw, type=kind), kind)


def test_an_acknowledgement_is_as_agreed() -> None:
    assert not problems("ack", msgspec.json.encode(Ack(device=DEVICE, inst="a1b2c3d4", seq=1)))


def test_topics_are_as_agreed() -> None:
    agreed = topics()
    assert set(SUBSCRIPTIONS) == {(agreed[name].of("+"), agreed[name].qos) for name in ("press", "health", "state")}
    assert Ack(device=DEVICE, inst="a1b2c3d4", seq=1).topic == agreed["ack"].of(DEVICE)
    assert play_topic("hall") == agreed["pa_play"].of("hall")


def test_device_id_is_as_agreed() -> None:
    assert f"^{DEVICE_ID.pattern}\\Z" == grammar("device_id"), "Change DEVICE in edge_agent/messages/press.py."


def test_the_stages_are_the_domain_s() -> None:
    assert [str(stage) for stage in Stage] == (
        ["received", "validated", "deduplicated", "decided", "acted", "forwarded", "cleared", "rejected"]
    )
