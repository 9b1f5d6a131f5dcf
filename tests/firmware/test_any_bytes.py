"""For any input, the decoders neither crash nor read past its end, and they agree with the schema.

The core runs under the address and undefined-behaviour sanitizers, each body in a block of exactly its size.
"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_core import core

from contracts import examples
from contracts.validation import problems

MESSAGES = ["press", "health", "ack", "cmd", "cmd_result"]
SEEDS = [(m, example.raw.rstrip()) for m in MESSAGES for kind in ("valid", "invalid") for example in examples(m, kind)]
KEYS = sorted({key for _, raw in SEEDS if isinstance(value := json.loads(raw), dict) for key in value})

quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-130, max_value=70)
    | st.sampled_from([2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(max_size=70)
    | st.sampled_from(["ss-00000000", "stored", "2028-02-29T00:00:00.000Z", "2027-02-29T00:00:00.000Z", "long\n", "\0"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=30), inner, max_size=3)
)


@pytest.mark.slow
@given(message=st.sampled_from([*MESSAGES, "state"]), body=st.binary(max_size=600))
@quick
def test_decoders_accept_or_refuse_any_bytes_safely(message: str, body: bytes) -> None:
    core().judge(message, body)


@pytest.mark.slow
@given(seed=st.sampled_from(SEEDS), data=st.data())
@quick
def test_decoders_handle_messages_cut_and_spliced_anywhere(seed: tuple[str, bytes], data: st.DataObject) -> None:
    message, body = seed
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))
    core().judge(message, body[:start] + data.draw(st.binary(max_size=6)) + body[end:])
    core().judge(message, body[:start])


@pytest.mark.slow
@given(seed=st.sampled_from(SEEDS), key=st.sampled_from(KEYS), value=values, ascii_only=st.booleans())
@quick
def test_c_decoder_agrees_with_the_schema(seed: tuple[str, bytes], key: str, value: object, ascii_only: bool) -> None:
    message, raw = seed
    fields = json.loads(raw)
    if not isinstance(fields, dict):
        return
    fields[key] = value
    body = json.dumps(fields, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    accepted = core().judge(message, body).status == "SS_OK"
    assert accepted == (problems(message, body) == []), (body, core().judge(message, body), problems(message, body))
