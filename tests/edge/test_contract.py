"""The gateway and the contract's examples: valid ones are accepted, invalid ones rejected or read with a doubt."""

import json

import msgspec
import pytest

from contracts import Example, examples, grammar, topics
from contracts.validation import problems
from edge_agent.button_side import SUBSCRIPTIONS
from edge_agent.decision.lifecycle import Stage
from edge_agent.messages.building import Ack, announcement_topic
from edge_agent.messages.cloud import Answer, Configuration, Downlink, Token
from edge_agent.messages.press import DEVICE as DEVICE_ID
from edge_agent.messages.press import UNIDENTIFIED, Press, read_press

DEVICE = "ss-7c9ebd12f0a4"


def name(example: Example) -> str:
    return example.name


@pytest.mark.parametrize("example", examples("press", "valid"), ids=name)
def test_valid_press_is_read_without_doubts(example: Example) -> None:
    device = json.loads(example.raw)["device"]
    parsed = read_press(device, example.raw)
    assert isinstance(parsed, Press) and not parsed.doubts
    assert parsed.pattern == json.loads(example.raw)["pattern"]


@pytest.mark.parametrize("example", examples("press", "frozen_core"), ids=name)
def test_press_with_readable_core_is_identified(example: Example) -> None:
    value = json.loads(example.raw)
    parsed = read_press(value["device"], example.raw)
    assert isinstance(parsed, Press)
    assert (parsed.id, parsed.pattern) == ((value["device"], value["inst"], value["seq"]), value["pattern"])


@pytest.mark.parametrize("example", examples("press", "invalid"), ids=name)
def test_invalid_press_is_read_with_doubts(example: Example) -> None:
    """The broker authenticated the device, so any message is a press. Invalid fields cause a doubt and are not used."""
    parsed = read_press(DEVICE, example.raw)
    assert parsed.doubts and parsed.device == DEVICE
    if example.name.startswith("pattern_"):
        assert parsed.pattern is None
    if example.name.startswith(("inst_", "seq_", "a_bare")):
        assert UNIDENTIFIED in parsed.doubts


@pytest.mark.parametrize("example", examples("edge_downlink", "valid"), ids=name)
def test_every_downlink_message_is_decoded(example: Example) -> None:
    assert msgspec.json.decode(example.raw, type=Downlink)


@pytest.mark.parametrize("example", examples("configuration", "valid"), ids=name)
def test_every_configuration_is_decoded(example: Example) -> None:
    assert msgspec.json.decode(example.raw, type=Configuration).version >= 1


@pytest.mark.parametrize(
    ("message", "kind"), [("edge_answer", Answer), ("token_answer", Token)], ids=["edge_answer", "token_answer"]
)
def test_every_response_is_decoded(message: str, kind: type[object]) -> None:
    for example in examples(message, "valid"):
        assert isinstance(msgspec.json.decode(example.raw, type=kind), kind)


def test_stored_confirmation_matches_contract() -> None:
    assert not problems("ack", msgspec.json.encode(Ack(device=DEVICE, inst="a1b2c3d4", seq=1)))


def test_topics_match_contract() -> None:
    agreed = topics()
    assert set(SUBSCRIPTIONS) == {(agreed[name].of("+"), agreed[name].qos) for name in ("press", "health", "state")}
    assert Ack(device=DEVICE, inst="a1b2c3d4", seq=1).topic == agreed["ack"].of(DEVICE)
    assert announcement_topic("hall") == agreed["pa_play"].of("hall")


def test_device_id_matches_contract() -> None:
    assert f"^{DEVICE_ID.pattern}\\Z" == grammar("device_id"), "Change DEVICE in edge_agent/messages/press.py."


def test_stages_match_domain() -> None:
    assert [str(stage) for stage in Stage] == (
        ["received", "validated", "deduplicated", "decided", "acted", "forwarded", "cleared", "rejected"]
    )
