"""Errors as RFC 9457 problem details, each with a stable `code` that a program can rely on."""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """An error that a caller is told. Subclasses fix `status` and `code`; `detail` says what to do."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "bad_request"
    default_detail: ClassVar[str] = "The request could not be understood."

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.default_detail)
        self.detail = detail or self.default_detail
        self.extra = extra

    def body(self) -> dict[str, object]:
        """The members of the problem object (RFC 9457, 3.1), then this problem's own."""
        return problem_body(self.status, self.code, self.detail, **self.extra)


class Unauthenticated(Problem):
    """No credential, or one that is expired, foreign or malformed."""

    status = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"
    default_detail = "Sign in, or send a valid access token."


class Forbidden(Problem):
    """The caller is known and has no right to this."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    default_detail = "You have no right to do this."


class NotFound(Problem):
    """It is not there, or not the caller's to know of."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    default_detail = "There is nothing here that you may see."


class Conflict(Problem):
    """The state of the thing does not allow it."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    default_detail = "This does not fit the present state."


class Invalid(Problem):
    """A value is missing, malformed or out of range; `errors` names the fields."""

    status = HTTPStatus.BAD_REQUEST
    code = "invalid"
    default_detail = "Some values are not valid."


class TooLarge(Problem):
    """The body is larger than this call takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"
    default_detail = "The body is too large: send it in parts."


class Unavailable(Problem):
    """The cloud itself is not able to answer now; nothing was written."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    default_detail = "The service is not able to answer right now: nothing was lost or changed, try again."


class InternalError(Problem):
    """A defect of ours; nothing was written."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"
    default_detail = "Something is wrong on our side: nothing was changed, try again."


class ProblemSerializer(serializers.Serializer[object]):
    """A problem as the OpenAPI document shows it (RFC 9457, 3.1); some add members of their own."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()


def problem_body(status: HTTPStatus, code: str, detail: str, **extra: object) -> dict[str, object]:
    """One problem object."""
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **extra,
    }


def problem_response(problem: Problem) -> HttpResponse:
    """The problem as a plain Django answer, for what runs outside of DRF."""
    response = JsonResponse(problem.body(), status=problem.status, content_type=CONTENT_TYPE)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's last answer (`handler500`), in the shape of every other refusal."""
    problem = Unavailable() if isinstance(sys.exc_info()[1], OperationalError) else InternalError()
    response = problem_response(problem)
    response["Retry-After"] = "1"
    return response


_DRF_CODES: Mapping[int, str] = {
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's door to problems: every refusal has the same shape."""
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, PermissionDenied):
        error = Forbidden()
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge()
    if isinstance(error, exceptions.ValidationError):
        error = Invalid(errors=error.detail)
    if isinstance(error, exceptions.APIException):
        status = HTTPStatus(error.status_code)
        body = problem_body(status, _DRF_CODES.get(error.status_code, "bad_request"), str(error.detail))
    elif isinstance(error, Problem):
        status, body = error.status, error.body()
    else:
        return None
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return Response(body, status=status, headers=headers, content_type=CONTENT_TYPE)
