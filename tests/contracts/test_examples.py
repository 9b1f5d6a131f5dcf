"""Every example of every message is validated against its schema."""

import json

import pytest
from jsonschema import Draft202012Validator

from contracts import ROOT, Example, ExampleSet, examples, messages
from contracts.validation import problems, schema, validator

# Each row of the table of events that a gateway sends.
EVENT_KINDS = {
    "alert.raised",
    "alert.pressed_again",
    "alert.acknowledged",
    "alert.resolved",
    "action.started",
    "action.done",
    "action.failed",
    "action.stopped",
    "device.trouble",
    "device.recovered",
    "press.refused",
    "selftest.done",
    "gateway.status",
}


def every(kind: ExampleSet) -> list[Example]:
    return [example for message in messages() for example in examples(message, kind)]


def label(example: Example) -> str:
    return f"{example.message}/{example.name}"


@pytest.mark.parametrize("example", every("valid"), ids=label)
def test_valid_example_is_accepted(example: Example) -> None:
    assert problems(example.message, example.raw) == []


@pytest.mark.parametrize("example", every("invalid"), ids=label)
def test_invalid_example_is_refused(example: Example) -> None:
    assert problems(example.message, example.raw) != []


@pytest.mark.parametrize("name", [*messages(), "common"])
def test_schema_is_a_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == f"urn:safesignal:contracts:{name}:1"


@pytest.mark.parametrize("message", messages())
def test_message_has_examples_of_both_kinds(message: str) -> None:
    assert list(examples(message, "valid"))
    assert list(examples(message, "invalid"))


def test_every_example_is_in_a_tested_folder() -> None:
    looked_at = {
        ROOT / example.message / "examples" / kind / f"{example.name}.json"
        for kind in ("valid", "invalid", "frozen_core")
        for example in every(kind)
    }
    data = {
        ROOT / name
        for name in (
            "permissions.json",
            "alert_types.json",
            "patterns.json",
            "gateway_troubles.json",
            "asyncapi.json",
            "topics.json",
        )
    }
    schemas = set(ROOT.glob("*/schema.json"))
    assert set(ROOT.rglob("*.json")) == looked_at | data | schemas


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_kind_of_event_has_examples(kind: ExampleSet) -> None:
    shown = {json.loads(e.raw)["kind"] for e in examples("edge_event", kind) if not e.name.startswith("any.")}
    assert shown == EVENT_KINDS


@pytest.mark.parametrize("message", ["live", "edge_downlink"])
@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_type_of_server_message_has_examples(message: str, kind: ExampleSet) -> None:
    types = schema(message)["$defs"]
    assert isinstance(types, dict)
    shown = {json.loads(e.raw).get("type") for e in examples(message, kind)}
    assert shown >= set(types)


@pytest.mark.parametrize("example", examples("edge_event", "valid"), ids=label)
def test_raised_alert_is_named_by_its_own_press(example: Example) -> None:
    event = json.loads(example.raw)
    if event["kind"] == "alert.raised":
        assert event["alert_id"] == "{device}:{inst}:{seq}".format(**event)


class TestFrozenCoreOfAPress:
    @pytest.mark.parametrize("example", [*examples("press", "valid"), *examples("press", "frozen_core")], ids=label)
    def test_core_of_a_valid_press_or_core_example_is_readable(self, example: Example) -> None:
        assert validator("press", "core").is_valid(json.loads(example.raw))

    @pytest.mark.parametrize("example", examples("press", "frozen_core"), ids=label)
    def test_core_example_is_not_a_valid_press(self, example: Example) -> None:
        assert problems("press", example.raw) != []

    @pytest.mark.parametrize("example", examples("press", "invalid"), ids=label)
    def test_core_of_an_invalid_press_is_unreadable_or_too_long(self, example: Example) -> None:
        too_long = len(example.raw) > 512
        assert too_long or not validator("press", "core").is_valid(json.loads(example.raw))

    def test_core_matches_the_schema(self) -> None:
        core = validator("press", "core")
        assert [missing.message.split("'")[1] for missing in core.iter_errors({})] == schema("press")["x-frozen-core"]


@pytest.mark.parametrize("message", messages())
def test_unknown_fields_are_allowed_everywhere(message: str) -> None:
    assert '"additionalProperties": false' not in (ROOT / message / "schema.json").read_text()


def test_strings_are_bounded_and_refuse_nul() -> None:
    unbounded: list[str] = []

    def look(node: object, path: str) -> None:
        if isinstance(node, dict):
            if node.get("type") == "string" and "enum" not in node:
                pattern = node.get("pattern")
                if "maxLength" not in node and "{" not in str(pattern):
                    unbounded.append(path)
                if pattern is None or Draft202012Validator(node).is_valid("a\0"):
                    unbounded.append(path)
            for key, value in node.items():
                look(value, f"{path}/{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                look(value, f"{path}/{number}")

    for name in [*messages(), "common"]:
        look(schema(name), name)
    assert unbounded == []
