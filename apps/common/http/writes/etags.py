"""Strong entity tags of representations, and writes that refuse to overwrite changes unknown to their caller.

RFC 9110, 8.8.3 (ETag) and 13.1.1 (If-Match). `If-Match` is optional: without it the last writer wins.
"""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.problems import Problem

ANY: Final = "*"

IF_MATCH: Final = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The `ETag` of the representation that you read: if it has changed, nothing is written (412).",
)
"""For `@extend_schema` of a write."""


class PreconditionFailed(Problem):
    """The resource has changed since the caller read it."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "precondition_failed"
    default_detail = "This was changed since you read it: read it again, then decide."


def etag_of(representation: object) -> str:
    """Return the strong entity tag of a representation: anything that msgspec can encode."""
    encoded = msgspec.json.encode(representation, order="deterministic", enc_hook=_builtins)
    return f'"{hashlib.sha256(encoded).hexdigest()[:32]}"'


def if_match_of(request: Request) -> str | None:
    """Return the `If-Match` of a request, for the service that writes."""
    return request.headers.get("If-Match")


def require_match(if_match: str | None, current: object) -> None:
    """Require that the caller has read the current state: `current` is the representation of the locked row.

    Raises PreconditionFailed. A weak tag never matches.
    """
    if if_match is None or if_match.strip() == ANY:
        return
    if etag_of(current) not in {tag.strip() for tag in if_match.split(",")}:
        raise PreconditionFailed()


def tagged(representation: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a response with the representation and its ETag."""
    return Response(msgspec.to_builtins(representation), status=status, headers={"ETag": etag_of(representation)})


def _builtins(value: object) -> object:
    """Convert a serializer's own mapping type to a plain one."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is no part of a representation.")
