"""Assertions about a refusal, which is one problem as in the contract (RFC 9457)."""

from typing import TYPE_CHECKING, Any

from contracts.validation import problems

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

PROBLEM = "application/problem+json"


def problem(answer: "Answer") -> tuple[int, str]:
    """The status and the code of a refusal."""
    assert answer["Content-Type"] == PROBLEM, answer.content
    return answer.status_code, answer.json()["code"]


def refused(answer: "Answer", status: int, code: str) -> dict[str, Any]:
    """Assert a refusal with this status and code; return its problem."""
    assert problem(answer) == (status, code), answer.content
    assert problems("problem", answer.content) == []
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert str(body["type"]).endswith(f"/problems/{code}")
    return body
