"""The document that clients are built from: complete, with examples of everything, and only existing problem codes."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from apps.alerts.api.serializers import IllegalTransitionSerializer
from apps.common.http.pagination import MAX_LIMIT
from apps.common.http.problem_catalogue import catalogue
from apps.common.problems import Problem, ProblemSerializer
from contracts import alert_types
from devstack.machine.paths import ROOT
from tests.http.document import Json, document, generate
from tests.kit.routes import found_routes, shape

pytestmark = pytest.mark.slow

JSON = "application/json"
PROBLEM = "application/problem+json"
HERE = "urn:document"
OF_GATEWAYS = {"/api/v1/oauth/token", "/api/v1/edge/config", "/api/v1/edge/events"}
"""Described message by message in `contracts/`."""
PAGES = {"/api/v1/openapi.json", "/api/v1/docs", "/api/v1/redoc"}

DOCUMENT = document()
CALLS = [(path, method, call) for path, calls in DOCUMENT["paths"].items() for method, call in calls.items()]
each_call = pytest.mark.parametrize(
    ("path", "method", "call"), CALLS, ids=[f"{method.upper()} {path}" for path, method, _ in CALLS]
)


def test_document_is_valid_and_generated_without_warnings() -> None:
    GENERATOR_STATS.reset()
    validate_schema(generate())  # type: ignore[no-untyped-call]
    assert [*GENERATOR_STATS._error_cache, *GENERATOR_STATS._warn_cache] == []
    assert DOCUMENT["openapi"] == "3.1.0"


def test_served_document_is_the_generated_one() -> None:
    assert Client().get("/api/v1/openapi.json").json() == DOCUMENT


def test_document_includes_every_api_route() -> None:
    described = {shape(path) for path in DOCUMENT["paths"]}
    routes = {route.path for route in found_routes() if route.path.startswith("/api/")} - OF_GATEWAYS - PAGES
    assert sorted(path for path in routes if shape(path) not in described) == []


def test_operation_ids_are_unique() -> None:
    names = [call["operationId"] for _, _, call in CALLS]
    assert len(names) == len(set(names))


@each_call
def test_operation_has_a_summary_and_description(path: str, method: str, call: Json) -> None:
    assert call["summary"] and len(call["tags"]) == 1 and call["description"]
    assert re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", call["operationId"])


@each_call
def test_operation_documents_every_refusal_with_existing_codes(path: str, method: str, call: Json) -> None:
    refusals = {status: resolved(answer) for status, answer in call["responses"].items() if status >= "400"}
    assert {"400", "406", "500", "503"} <= set(refusals)
    assert ("401" in refusals) or not call.get("security")
    assert ("413" in refusals and "415" in refusals) or "requestBody" not in call
    for status, answer in refusals.items():
        assert list(answer["content"]) == [PROBLEM], status
        assert "X-Request-ID" in answer["headers"]
        codes = {code for code in re.findall(r"`([a-z_]+)`", answer["description"]) if code in catalogue()}
        assert codes, f"{status} has no problem code"
        assert {catalogue()[code].status for code in codes} == {int(status)}, codes


@each_call
def test_operation_has_request_and_response_examples(path: str, method: str, call: Json) -> None:
    """To add one: `@openapi_example(response=…, request=…)` of `apps.common.openapi.examples` above the serializer."""
    for where, content in [("body", call.get("requestBody")), *successful_responses(call)]:
        media = (content or {}).get("content", {}).get(JSON)
        if media is None:
            continue
        assert media.get("examples"), f"{where} has no example"
        for example in media["examples"].values():
            wrong = [error.message for error in validator(media["schema"]).iter_errors(example["value"])]
            assert wrong == [], f"{where}: {wrong}"


@each_call
def test_writes_document_the_idempotency_key_and_their_credential(path: str, method: str, call: Json) -> None:
    parameters = {parameter["name"] for parameter in map(resolved, call.get("parameters", ()))}
    behind = call.get("security") is not None
    assert ("Idempotency-Key" in parameters) is (behind and method != "get")
    assert not behind or all(set(one) <= set(DOCUMENT["components"]["securitySchemes"]) for one in call["security"])


def test_responses_with_an_etag_document_it() -> None:
    calls = {call["operationId"]: call["responses"] for _, _, call in CALLS}
    for name, status in [("getSite", "200"), ("createSite", "201"), ("updateOrganizationSettings", "200")]:
        assert "ETag" in calls[name][status]["headers"], name
    assert "ETag" not in calls["listSites"]["200"]["headers"]


def test_endpoints_exempt_from_rate_limits_document_none() -> None:
    calls = {call["operationId"]: call["responses"] for _, _, call in CALLS}
    assert "429" in calls["createSite"] and "RateLimit" in calls["createSite"]["201"]["headers"]
    for name in ("listAlerts", "getAlert", "acknowledgeAlert", "resolveAlert"):
        assert "429" not in calls[name] and "RateLimit" not in calls[name]["200"]["headers"], name


def test_patterns_are_valid_in_json_schema() -> None:
    patterns = list(string_values(DOCUMENT, "pattern"))
    assert patterns
    assert [pattern for pattern in patterns if r"\Z" in pattern or r"\A" in pattern] == []


def resolved(part: Json) -> Json:
    """Return the target of a reference."""
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = DOCUMENT["components"][kind][name]
    return part


def successful_responses(call: Json) -> Iterator[tuple[str, Json]]:
    return ((status, answer) for status, answer in call["responses"].items() if status < "300")


def validator(schema: Json) -> Draft202012Validator:
    registry: Registry[Json] = Registry().with_resource(HERE, DRAFT202012.create_resource(DOCUMENT))
    return Draft202012Validator(absolute(schema), registry=registry, format_checker=FormatChecker())


def absolute(part: Json) -> Json:
    """Return the same schema with absolute references into the document."""
    if isinstance(part, dict):
        return {name: f"{HERE}{value}" if name == "$ref" else absolute(value) for name, value in part.items()}
    return [absolute(value) for value in part] if isinstance(part, list) else part


def string_values(part: Json, name: str) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get(name), str):
            yield part[name]
        for value in part.values():
            yield from string_values(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from string_values(value, name)


def test_list_limit_parameter_has_bounds() -> None:
    limits = [
        parameter["schema"]
        for operations in document()["paths"].values()
        for parameter in operations.get("get", {}).get("parameters", ())
        if parameter.get("name") == "limit"
    ]
    assert limits
    assert all((one["minimum"], one["maximum"]) == (1, MAX_LIMIT) for one in limits)


def test_alert_types_match_the_contract() -> None:
    schemas = document()["components"]["schemas"]
    named = schemas["Alert"]["properties"]["alert_type"]
    schema = schemas[named["$ref"].rpartition("/")[2]] if "$ref" in named else named
    assert schema["enum"] == [one.type for one in alert_types()]


def test_conflict_of_an_act_documents_the_current_alert() -> None:
    answer = document()["paths"]["/api/v1/alerts/{alert_uuid}/resolve"]["put"]["responses"]["409"]
    schema = answer["content"]["application/problem+json"]["schema"]["$ref"].rpartition("/")[2]
    assert "current" in document()["components"]["schemas"][schema]["properties"]


def test_every_extra_problem_member_is_documented() -> None:
    """Each keyword with which the code raises a problem."""
    classes = {one.__name__ for one in _problems(Problem)}
    added = {
        keyword.arg
        for file in (ROOT / "apps").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes
        for keyword in node.keywords
    }
    assert added <= {*ProblemSerializer().fields, *IllegalTransitionSerializer().fields}


def _problems(kind: type[Problem]) -> Iterator[type[Problem]]:
    for one in kind.__subclasses__():
        yield one
        yield from _problems(one)
