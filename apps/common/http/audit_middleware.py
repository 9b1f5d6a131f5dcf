"""Records refused attempts in the audit trail, for every endpoint.

If a write by an authenticated caller ends in 403, 404 or 409, it is recorded in a separate transaction, after its own
was rolled back; so is a write whose refusal a page displays as text (`report_refusal`). An error here fails no request.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from apps.common import audit
from apps.common.access import Principal
from apps.common.db.scope import tenant_scope
from apps.common.http.callers.addresses import address_of
from apps.common.problems import CONTENT_TYPE, Problem

logger = logging.getLogger(__name__)

READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
REFUSALS: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
"""No permission, not visible to the caller, or a conflict. A malformed request (400, 412, 413 …) is not an attempt, and
401 and 429 identify nobody: wrong passwords are recorded where they are checked."""


class _Coded(msgspec.Struct, frozen=True):
    code: str = ""


def report_refusal(request: HttpRequest, problem: Problem) -> None:
    """Record that a page displays `problem` in a response whose status does not indicate it."""
    request.reported_refusal = problem  # type: ignore[attr-defined]


class AuditMiddleware:
    """Runs outside the scope of a request, so that its entries stay when the request is rolled back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, and record a refusal; all entries written meanwhile have the caller's address."""
        with audit.coming_from(address_of(request)):
            response = self.get_response(request)
            refusal = _refusal(request, response)
            principal: Principal | None = getattr(request, "principal", None)
            if refusal and principal:
                _record(request, principal, *refusal)
        return response


def _refusal(request: HttpRequest, response: HttpResponse) -> tuple[int, str] | None:
    """Return the status and code of a refused write."""
    if request.method in READS:
        return None
    problem: Problem | None = getattr(request, "reported_refusal", None)
    if problem is not None:
        return (problem.status, problem.code) if problem.status in REFUSALS else None
    if response.status_code not in REFUSALS:
        return None
    if response.headers.get("Content-Type") != CONTENT_TYPE:
        return response.status_code, ""
    return response.status_code, msgspec.json.decode(response.content, type=_Coded).code


def _record(request: HttpRequest, principal: Principal, status: int, code: str) -> None:
    route = request.resolver_match.route if request.resolver_match else ""
    named: Mapping[str, object] = getattr(request.resolver_match, "captured_kwargs", {})
    ids = {name: value for name, value in named.items() if isinstance(value, UUID)}
    target = next(reversed(ids.items()), ("request", None))
    try:
        with tenant_scope(principal.grants):
            audit.record(
                actor=principal,
                action=audit.CommonAction.REQUEST_REFUSED,
                target_kind=target[0].removesuffix("_id").removesuffix("_uuid"),
                target_id=target[1],
                organization_id=_organization(request, principal, ids.values()),
                outcome=audit.REFUSED,
                method=request.method or "",
                route=route,
                status=int(status),
                code=code,
            )
    except DatabaseError as error:
        logger.warning("cannot record a refused attempt in the audit trail: %s: %s", type(error).__name__, error)


def _organization(request: HttpRequest, principal: Principal, named: Iterable[UUID]) -> UUID | None:
    """Return whose trail the entry belongs to: the caller's organization that the request names, or their only one.

    None is the platform's trail. A stranger's entries never go to a school's trail, which they could otherwise fill.
    """
    asked = request.GET.get("organization")
    candidates = [str(one) for one in named] + ([asked] if asked else [])
    mine = [organization for organization in principal.grants if str(organization) in candidates]
    if len(mine) == 1:
        return mine[0]
    return next(iter(principal.grants)) if len(principal.grants) == 1 else None
