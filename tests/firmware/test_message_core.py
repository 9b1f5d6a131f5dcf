"""The contract's examples, valid and invalid, through the C that runs on a button."""

import json
import subprocess
from pathlib import Path

import pytest
from message_core import FIRMWARE, Core, core, program, tool

from contracts import Example, ExampleSet, examples
from contracts.validation import problems, schema

OF_A_BUTTON = ["press", "health", "state", "ack", "cmd", "cmd_result"]
WRITTEN_BY_A_BUTTON = {"press", "health", "cmd_result"}


def every(kind: ExampleSet) -> list[Example]:
    return [example for message in OF_A_BUTTON for example in examples(message, kind)]


def label(example: Example) -> str:
    return f"{example.message}/{example.name}"


def as_sent(example: Example) -> bytes:
    """Return the body on the wire: a state is the bare word; a state that is not a string has no such form."""
    if example.message != "state":
        return example.raw
    word = json.loads(example.raw)
    return word.encode() if isinstance(word, str) else example.raw


def known_fields(example: Example) -> dict[str, object]:
    """Return an example without the fields that a reader does not know."""
    properties = schema(example.message)["properties"]
    assert isinstance(properties, dict)
    core_fields = schema("press")["x-frozen-core"] if example.message == "press" else []
    assert isinstance(core_fields, list)
    return {key: value for key, value in json.loads(example.raw).items() if key in {*properties, *core_fields}}


@pytest.mark.parametrize("example", every("valid"), ids=label)
def test_valid_example_is_read(example: Example) -> None:
    assert core().judge(example.message, as_sent(example)).status == "SS_OK"


@pytest.mark.parametrize("example", [e for e in every("valid") if e.message in WRITTEN_BY_A_BUTTON], ids=label)
def test_decoded_example_is_encoded_with_the_same_meaning(example: Example) -> None:
    body = core().judge(example.message, example.raw).body
    assert json.loads(body) == known_fields(example)
    assert problems(example.message, body) == []
    assert len(body) <= 512


@pytest.mark.parametrize("example", [*every("invalid"), *examples("press", "frozen_core")], ids=label)
def test_invalid_example_is_refused(example: Example) -> None:
    verdict = core().judge(example.message, as_sent(example))
    assert verdict.status != "SS_OK"
    assert verdict.body == b""


@pytest.mark.parametrize(
    ("message", "name", "status"),
    [
        ("press", "over_512_bytes", "SS_TOO_LONG"),
        ("press", "seq_text", "SS_WRONG_TYPE"),
        ("press", "seq_zero", "SS_OUT_OF_RANGE"),
        ("press", "seq_missing", "SS_MISSING"),
        ("press", "device_with_nul", "SS_BAD_TEXT"),
        ("press", "device_line_break_at_end", "SS_BAD_TEXT"),
        ("ack", "v_of_the_future", "SS_UNKNOWN_VERSION"),
        ("cmd", "cmd_not_known", "SS_UNKNOWN_COMMAND"),
        ("cmd", "ota_without_signature", "SS_MISSING"),
    ],
)
def test_refusal_status_names_the_reason(message: str, name: str, status: str) -> None:
    (example,) = [e for e in examples(message, "invalid") if e.name == name]
    assert core().judge(message, example.raw).status == status


@pytest.mark.parametrize("message", ["press", "health", "ack", "cmd", "cmd_result"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}",
        b"{}x",
        b"nul",
        b"\xef\xbb\xbf{}",
        b'{"v":1,}',
        b'{"v":01}',
        b'{"v":1"device":2}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\u12"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xf5\x80\x80\x80"}',
        b'{"a":"\n"}',
        b'{"a":' + b"[" * 400,
        b'{"a":' + b"[" * 17 + b"]" * 17 + b"}",
        b'{"v":99999999999999999999999999}',
        b'{"a":1e}',
        b"\0" * 64,
    ],
)
def test_wrong_message_is_refused(message: str, body: bytes) -> None:
    assert core().judge(message, body).status != "SS_OK"


@pytest.mark.parametrize("message", OF_A_BUTTON)
def test_truncated_body_is_refused(message: str) -> None:
    rich = '{"x":["é€😀","\\u00e9\\ud83d\\ude00\\n",-1.5e-3,true,false,null,{"y":{}}],"v":1}'.encode()
    for length in range(len(rich) + 1):
        assert core().judge(message, rich[:length]).status != "SS_OK"


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        (b'"x":' + b"[" * 16 + b"]" * 16, "SS_OK"),
        (b'"x":' + b"[" * 17 + b"]" * 17, "SS_TOO_DEEP"),
        (b'"x":{"y":[{},[],{"z":[1.5e-3,true,null,"\\u00e9\\ud83d\\ude00"]}]}', "SS_OK"),
        (b'"x":"\xc3\xa9\xf0\x9f\x98\x80"', "SS_OK"),
        (b'"a_name_longer_than_any_of_the_contract":0', "SS_OK"),
        (b'"\\u0073tate":"seen"', "SS_OK"),
        (b'"state":"forgotten"', "SS_BAD_TEXT"),
        (b'"x":[1,]', "SS_NOT_JSON"),
        (b'"x":{"y"}', "SS_NOT_JSON"),
        (b'"x":-', "SS_NOT_JSON"),
    ],
)
def test_unknown_fields_are_skipped_but_must_be_json(extra: bytes, status: str) -> None:
    (ack,) = [example for example in examples("ack", "valid") if example.name == "usual"]
    assert core().judge("ack", ack.raw.rstrip()[:-1] + b"," + extra + b"}").status == status


@pytest.mark.parametrize("field", [b'"seq":7', b'"s\\u0065q":7', b'"pattern":"\\u0073hort"', b'"pattern":"triple"'])
def test_last_duplicate_key_wins_as_in_python(field: bytes) -> None:
    (press,) = [example for example in examples("press", "valid") if example.name == "usual"]
    body = press.raw.rstrip()[:-1] + b"," + field + b"}"
    written = json.loads(core().judge("press", body).body)
    assert written == known_fields(Example("press", "repeated", body))
    assert written != known_fields(press)


def test_arguments_can_precede_the_command() -> None:
    (cmd,) = [example for example in examples("cmd", "valid") if example.name == "ota"]
    turned = dict(reversed(json.loads(cmd.raw).items()))
    assert core().judge("cmd", json.dumps(turned).encode()).status == "SS_OK"


def test_process_exits_cleanly() -> None:
    process = Core(program())
    for example in every("valid"):
        process.judge(example.message, as_sent(example))
    assert process.close() == 0


@pytest.mark.slow
def test_cmake_builds_the_core_with_every_warning_an_error(tmp_path: Path) -> None:
    cmake = tool("cmake")
    tool("make")
    configure = ["-S", str(FIRMWARE), "-B", str(tmp_path), "-G", "Unix Makefiles", "-DSS_SANITIZERS=ON"]
    for arguments in (configure, ["--build", str(tmp_path)]):
        done = subprocess.run([cmake, *arguments], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ss_contract").exists()
