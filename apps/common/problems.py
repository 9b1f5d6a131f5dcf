"""Errors as RFC 9457 problem details, each with a stable `code` that a program can rely on.

`type` is the URL of a page that explains the code; `docs/problems.md` lists them all.
"""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, ClassVar, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from rest_framework import exceptions, serializers
from rest_framework.response import Response

CONTENT_TYPE: Final = "application/problem+json"
ERRORS_SHOWN: Final = 20
"""Maximum number of fields, and of reasons for one field, in a problem."""
NAME_SHOWN: Final = 100
"""Maximum number of characters of a sent field name in a problem."""
API: Final = "/api/"
"""Below this path every response is for programs, including Django's own refusals."""


class Problem(Exception):
    """The request could not be read: a host that is not ours, or an invalid header.

    Subclasses fix `status` and `code`; `detail` says what to do.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "bad_request"
    default_detail: ClassVar[str] = "The request could not be understood."

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.default_detail)
        self.detail = detail or self.default_detail
        self.extra = extra

    def body(self) -> dict[str, object]:
        """Return the members of the problem object (RFC 9457, 3.1), then this problem's own."""
        return problem_body(self.status, self.code, self.detail, **self.extra)

    @property
    def headers(self) -> dict[str, str]:
        """Additional headers of the response."""
        return {}


class Unauthenticated(Problem):
    """No credential, or one that is expired, foreign or malformed."""

    status = HTTPStatus.UNAUTHORIZED
    code = "not_authenticated"
    default_detail = "Sign in, or send a valid access token."

    @property
    def headers(self) -> dict[str, str]:
        """The challenge that a 401 requires (RFC 9110, 11.6.1)."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    """The caller is authenticated but does not have permission."""

    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    default_detail = "You have no right to do this."


class NotFound(Problem):
    """The resource does not exist, or is not visible to the caller."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    default_detail = "There is nothing here that you may see."


class Conflict(Problem):
    """The state of the resource does not allow this."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    default_detail = "This does not fit the present state."


class Invalid(Problem):
    """A value is missing, malformed or out of range; `errors` names the fields, and `errors_left_out` says how many
    more there are.
    """

    status = HTTPStatus.BAD_REQUEST
    code = "invalid"
    default_detail = "Some values are not valid."

    def __init__(self, detail: str = "", **extra: object) -> None:
        errors = extra.get("errors")
        if isinstance(errors, Mapping):
            shown = islice(errors.items(), ERRORS_SHOWN)
            extra["errors"] = {str(name)[:NAME_SHOWN]: _capped(reasons) for name, reasons in shown}
            if len(errors) > ERRORS_SHOWN:
                extra["errors_left_out"] = len(errors) - ERRORS_SHOWN
        super().__init__(detail, **extra)


class Malformed(Problem):
    """The body is not JSON (RFC 8259), or has text that cannot be stored: a NUL or half a character."""

    code = "malformed"
    default_detail = "The body is not well-formed JSON."


class MethodNotAllowed(Problem):
    """This URL does not support this method; `Allow` lists those that it does."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"
    default_detail = "This address does not take this method."


class NotAcceptable(Problem):
    """`Accept` names no format that this URL can return."""

    status = HTTPStatus.NOT_ACCEPTABLE
    code = "not_acceptable"
    default_detail = "Accept application/json."


class UnsupportedMediaType(Problem):
    """The body has a type that this URL does not support."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"
    default_detail = "Send the body as application/json."


class TooLarge(Problem):
    """The body is larger than this request may be."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"
    default_detail = "The body is too large: send it in parts."


class TooManyRequests(Problem):
    """More requests in a minute than one caller may send; `retry_after` is in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"
    default_detail = "Too many requests: wait, then go on more slowly."

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """When to try again (RFC 9110, 10.2.3)."""
        return {"Retry-After": str(self.retry_after)}


class Unavailable(Problem):
    """The cloud is temporarily unable to respond; nothing was written."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "unavailable"
    default_detail = "The service is not able to answer right now: nothing was lost or changed, try again."

    @property
    def headers(self) -> dict[str, str]:
        """Try again soon: a gateway does so by itself."""
        return {"Retry-After": "1"}


class InternalError(Problem):
    """A defect of ours; nothing was written."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "internal_error"
    default_detail = "Something is wrong on our side: nothing was changed, try again."

    @property
    def headers(self) -> dict[str, str]:
        """Try again, since the cause may be temporary."""
        return {"Retry-After": "1"}


def _capped(reasons: object) -> object:
    return reasons[:ERRORS_SHOWN] if isinstance(reasons, list) else reasons


class LineProblemSerializer(serializers.Serializer[object]):
    """A fault in one line of a table."""

    line = serializers.IntegerField(help_text="The header is line 1.")
    column = serializers.CharField(allow_null=True, help_text="Null: the whole line.")
    problem = serializers.CharField()


class OccupantsSerializer(serializers.Serializer[object]):
    """The objects that prevent deleting a place."""

    what = serializers.CharField()
    count = serializers.IntegerField()
    names = serializers.ListField(child=serializers.CharField(), help_text="The first of them.")


class ProblemSerializer(serializers.Serializer[object]):
    """A problem in the OpenAPI document (RFC 9457, 3.1), with the members that some codes add."""

    type = serializers.URLField(help_text="A page that explains `code`.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="For people: what is wrong, and what to do.")
    code = serializers.CharField(help_text="Stable, for programs; `docs/problems.md` lists all.")
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.JSONField(),
        required=False,
        help_text="`invalid` and similar codes: the invalid fields, each with a list of reasons; at most 20.",
    )
    lines = LineProblemSerializer(many=True, required=False, help_text="`csv_refused`: the first invalid lines.")
    more = serializers.IntegerField(required=False, help_text="`csv_refused`: how many more lines are invalid.")
    in_the_way = OccupantsSerializer(many=True, required=False, help_text="`place_in_use`: what prevents it.")
    organizations = serializers.ListField(
        child=serializers.UUIDField(), required=False, help_text="`legal_hold`, `last_admin`: which organizations."
    )
    attempts_left = serializers.IntegerField(required=False, help_text="`wrong_code`: the remaining attempts.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds to wait before trying again.")
    challenge = serializers.CharField(
        required=False, help_text="`second_factor_required`: send it with the code to /auth/login/second-factor."
    )
    methods = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="`second_factor_required`: the methods of the account."
    )
    passkey = serializers.DictField(
        child=serializers.JSONField(),
        required=False,
        allow_null=True,
        help_text="`second_factor_required`: the options for `navigator.credentials.get`.",
    )
    errors_left_out = serializers.IntegerField(required=False, help_text="How many more fields are invalid.")


def problem_body(status: HTTPStatus, code: str, detail: str, **extra: object) -> dict[str, object]:
    """Return one problem object."""
    return {
        "type": f"{settings.BASE_URL}/problems/{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **extra,
    }


def problem_response(problem: Problem) -> HttpResponse:
    """Return the problem as a plain Django response, for code outside of DRF."""
    return JsonResponse(problem.body(), status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`: for a host that is not ours, an invalid header, and other suspicious operations."""
    too_large = isinstance(exception, RequestDataTooBig)
    return _in_shape(request, TooLarge() if too_large else Problem(), defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`."""
    return _in_shape(request, Forbidden(), defaults.permission_denied(request, exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`."""
    return _in_shape(request, NotFound(), defaults.page_not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: a page for browsers, else a problem like every other."""
    problem = Unavailable() if isinstance(sys.exc_info()[1], OperationalError) else InternalError()
    if request.path_info.startswith(API) or "text/html" not in request.headers.get("Accept", ""):
        return problem_response(problem)
    page = render_to_string("500.html", {"problem": problem})
    return HttpResponse(page, status=problem.status, headers=problem.headers)


def _in_shape(request: HttpRequest, problem: Problem, page: HttpResponse) -> HttpResponse:
    return problem_response(problem) if request.path_info.startswith(API) else page


_DRF: Final[Mapping[type[exceptions.APIException], type[Problem]]] = {
    exceptions.ParseError: Malformed,
    exceptions.NotAuthenticated: Unauthenticated,
    exceptions.AuthenticationFailed: Unauthenticated,
    exceptions.PermissionDenied: Forbidden,
    exceptions.NotFound: NotFound,
    exceptions.MethodNotAllowed: MethodNotAllowed,
    exceptions.NotAcceptable: NotAcceptable,
    exceptions.UnsupportedMediaType: UnsupportedMediaType,
}
"""The problems for exceptions of DRF itself."""

_DJANGO: Final[Mapping[type[Exception], type[Problem]]] = {
    Http404: NotFound,
    PermissionDenied: Forbidden,
    RequestDataTooBig: TooLarge,
}
"""The problems for exceptions of Django itself."""


def _problem(error: Exception) -> Problem | None:
    """Return the problem for an exception; None if it is a defect."""
    match error:
        case Problem():
            return error
        case exceptions.ValidationError():
            return Invalid(errors=error.detail)
        case exceptions.APIException() if type(error) in _DRF:
            return _DRF[type(error)](str(error.detail))
        case _:
            return _DJANGO[type(error)]() if type(error) in _DJANGO else None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: return every refusal in the same form."""
    problem = _problem(error)
    if problem is None:
        return None
    return Response(problem.body(), status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)
