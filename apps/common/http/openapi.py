"""The shared parts of all routes in the OpenAPI document: headers, refusals, and the idempotency key.

Routes describe their own parts (`extend_schema`); this hook of drf-spectacular adds the rest, defined once below
`components` and referred to, so that no route can omit it.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.generators import SchemaGenerator

from apps.common.http.writes.idempotency import HEADER as IDEMPOTENCY_KEY
from apps.common.http.writes.idempotency import REPLAYED, WRITES
from apps.common.observability.request_ids import HEADER as REQUEST_ID
from apps.common.openapi.samples import sample
from apps.common.problems import CONTENT_TYPE

Json = dict[str, Any]
Codes = Mapping[HTTPStatus, tuple[str, ...]]

ALWAYS: Final[Codes] = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "invalid"),
    HTTPStatus.NOT_ACCEPTABLE: ("not_acceptable",),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal_error",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("unavailable",),
}
AUTHENTICATED: Final[Codes] = {
    HTTPStatus.UNAUTHORIZED: ("not_authenticated", "bad_token"),
    HTTPStatus.FORBIDDEN: ("forbidden", "csrf_failed"),
    HTTPStatus.NOT_FOUND: ("not_found",),
}
WITH_A_BODY: Final[Codes] = {
    HTTPStatus.BAD_REQUEST: ("malformed",),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type",),
}
COUNTED: Final[Codes] = {HTTPStatus.TOO_MANY_REQUESTS: ("too_many_requests",)}
KEYED: Final[Codes] = {
    HTTPStatus.CONFLICT: ("idempotency_in_progress", "idempotency_answer_not_kept"),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("idempotency_key_reused",),
}

HEADERS: Final[Mapping[str, Json]] = {
    REQUEST_ID: {
        "description": "The id of this request, yours if you sent one: quote it when you ask for help.",
        "schema": {"type": "string", "minLength": 8, "maxLength": 64},
    },
    "RateLimit-Policy": {
        "description": 'The limits that apply here: `"user";q=600;w=60` is 600 requests in 60 seconds for one caller.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "The tightest limit: `r` requests are left, for `t` seconds. Absent while nothing is counted.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Identifies this representation: send it as `If-Match` with a write.",
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{32}"$'},
    },
    REPLAYED: {
        "description": "`true`: this was carried out when the key was first used, and this is the response from then.",
        "schema": {"type": "string", "const": "true"},
    },
}
KEY_PARAMETER: Final[Json] = {
    "in": "header",
    "name": IDEMPOTENCY_KEY,
    "description": "A key for this write, such as a UUID: a write sent again with it is carried out once. Kept 24 h.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]([!-~]*[!#-~])?$"},
    "example": "5f0c4f5e-9f0a-4a52-8a55-0b8d3c1f7a11",
}


def complete(result: Json, generator: SchemaGenerator, request: object, public: bool) -> Json:
    """Complete the document: a postprocessing hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components["headers"] = dict(HEADERS)
    components["parameters"] = {IDEMPOTENCY_KEY: KEY_PARAMETER}
    components["responses"] = {}
    endpoints: list[tuple[str, str, str, Any]] = generator.endpoints  # type: ignore[assignment]
    views = {(path, method.lower()): view for path, _, method, view in endpoints}
    for path, operations in result["paths"].items():
        has_etag = any(_takes_if_match(operation) for operation in operations.values())
        for method, operation in operations.items():
            _complete(operation, method, views[path, method], has_etag=has_etag, responses=components["responses"])
    components["responses"] = dict(sorted(components["responses"].items()))
    _move_titled_schemas(result)
    _add_samples(result)
    _add_etags_to_created(result["paths"])
    _convert_patterns(result)
    return result


def _complete(operation: Json, method: str, view: Any, *, has_etag: bool, responses: Json) -> None:
    is_counted = not getattr(view.cls, "is_exempt_from_rate_limit", False)
    is_keyed = method.upper() in WRITES and not getattr(view, "is_public_endpoint", False)
    if is_keyed:
        operation.setdefault("parameters", []).append({"$ref": f"#/components/parameters/{IDEMPOTENCY_KEY}"})
    groups = [ALWAYS]
    groups += [AUTHENTICATED] if operation.get("security") else []
    groups += [WITH_A_BODY] if "requestBody" in operation else []
    groups += [COUNTED] if is_counted else []
    groups += [KEYED] if is_keyed else []
    for status, codes in _joined(groups):
        _refuse(operation["responses"], status, codes, responses)
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for status, response in operation["responses"].items():
        if "$ref" in response:
            continue
        names = list(_headers(HTTPStatus(int(status)), is_counted=is_counted, is_keyed=is_keyed, has_etag=has_etag))
        response["headers"] = response.get("headers", {}) | {name: _header(name) for name in names}
        response["description"] = response["description"] or HTTPStatus(int(status)).phrase


def _joined(groups: list[Codes]) -> Iterator[tuple[HTTPStatus, tuple[str, ...]]]:
    statuses = {status for group in groups for status in group}
    for status in sorted(statuses):
        yield status, tuple(code for group in groups for code in group.get(status, ()))


def _refuse(own: Json, status: HTTPStatus, codes: tuple[str, ...], responses: Json) -> None:
    """Add codes to a route's own description of a status, else refer to the shared one."""
    documented = own.get(str(int(status)))
    if documented is not None:
        missing = [f"`{code}`" for code in codes if f"`{code}`" not in documented["description"]]
        documented["description"] = " ".join([documented["description"].rstrip(), *missing]).strip()
        return
    name = "_".join(sorted(codes))
    responses[name] = _response(status, codes)
    own[str(int(status))] = {"$ref": f"#/components/responses/{name}"}


def _response(status: HTTPStatus, codes: tuple[str, ...]) -> Json:
    return {
        "description": f"{status.phrase}: " + ", ".join(f"`{code}`" for code in codes),
        "headers": {name: _header(name) for name in _headers(status)},
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _headers(
    status: HTTPStatus, *, is_counted: bool = False, is_keyed: bool = False, has_etag: bool = False
) -> Iterator[str]:
    """Return the headers that a response may have."""
    yield REQUEST_ID
    if is_counted or status is HTTPStatus.TOO_MANY_REQUESTS:
        yield from ("RateLimit-Policy", "RateLimit")
    if status is HTTPStatus.UNAUTHORIZED:
        yield "WWW-Authenticate"
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR}:
        yield "Retry-After"
    if status < HTTPStatus.BAD_REQUEST and is_keyed:
        yield REPLAYED
    if status is HTTPStatus.OK and has_etag:
        yield "ETag"


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


def _takes_if_match(operation: Json) -> bool:
    return any(parameter.get("name") == "If-Match" for parameter in operation.get("parameters", ()))


def _add_etags_to_created(paths: Json) -> None:
    """Add the ETag to the response of a POST whose new resource has one."""
    schemas = [_schema(answer) for answer in _answers(paths, "200") if "ETag" in answer["headers"]]
    for answer in _answers(paths, "201"):
        if _schema(answer) in schemas:
            answer["headers"]["ETag"] = _header("ETag")


def _answers(paths: Json, status: str) -> Iterator[Json]:
    for operations in paths.values():
        for operation in operations.values():
            if status in operation["responses"]:
                yield operation["responses"][status]


def _schema(answer: Json) -> object:
    return answer.get("content", {}).get("application/json", {}).get("schema")


def _move_titled_schemas(result: Json) -> None:
    """Turn schemas that a route defines inline into components, so that clients have one type for each."""
    schemas = result["components"]["schemas"]
    for operations in result["paths"].values():
        for operation in operations.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media in part.get("content", {}).values():
                    title = media["schema"].get("title")
                    if title is not None:
                        schemas[title] = media["schema"]
                        media["schema"] = {"$ref": f"#/components/schemas/{title}"}
    result["components"]["schemas"] = dict(sorted(schemas.items()))


def _add_samples(result: Json) -> None:
    """Derive an example from the schema where none was written (`apps.common.openapi.examples`)."""
    for operations in result["paths"].values():
        for operation in operations.values():
            successful = (answer for status, answer in operation["responses"].items() if status < "300")
            for part in (operation.get("requestBody", {}), *successful):
                media = part.get("content", {}).get("application/json")
                if media is not None and "examples" not in media:
                    value = sample(media["schema"], result["components"]["schemas"])
                    media["examples"] = {"Sample": {"value": value}}


def _convert_patterns(part: Any) -> None:
    """Convert Python's end of text, `\\Z`, to that of JSON Schema, `$` (ECMA-262)."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            part["pattern"] = part["pattern"].replace(r"\Z", "$")
        for value in part.values():
            _convert_patterns(value)
    elif isinstance(part, list):
        for value in part:
            _convert_patterns(value)
