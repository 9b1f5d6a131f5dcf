"""`Idempotency-Key`: a write that is sent again because its response was lost is carried out once.

Implements draft-ietf-httpapi-idempotency-key-header. The response is stored in the transaction of the write itself, so
that neither exists without the other; a refusal changed nothing and is not stored. Keys are for people and services,
below /api/: anonymous callers (signing in) have none, and gateways identify their events by event ids.
"""

import hashlib
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import msgspec
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.common.access import Principal, PrincipalKind, rights_of
from apps.common.http.endpoints import has_own_scope
from apps.common.models import IdempotencyKey
from apps.common.problems import API, Conflict, Invalid, Problem, problem_response

logger = logging.getLogger(__name__)

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEEP: Final = timedelta(hours=24)
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEPT_HEADERS: Final = ("Content-Type", "ETag", "Location")
_KEY: Final = re.compile(r"[!#-~][!-~]{0,253}[!#-~]|[!#-~]")
"""Matches printable ASCII without a quote at either end."""


class IdempotencyKeyReused(Problem):
    """The key was used for another request: another method, URL or body."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"
    default_detail = "This key belongs to another request of yours: make a new key for each write."


class IdempotencyInProgress(Conflict):
    """The first request with this key is still being carried out."""

    code = "idempotency_in_progress"
    default_detail = "The first request with this key is not finished: ask again in a moment."


class IdempotencyAnswerNotKept(Conflict):
    """The write was carried out; its response cannot be repeated, since it has a secret or your rights changed."""

    code = "idempotency_answer_not_kept"
    default_detail = (
        "This was carried out when the key was first used. Its response is not repeated: read the resource."
    )


class IdempotencyMiddleware:
    """Runs inside the scope of the request, whose transaction it shares."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response; for a repeat, that of the first request."""
        sent = request.headers.get(HEADER)
        principal: Principal | None = getattr(request, "principal", None)
        if sent is None or principal is None or not _applies(request, principal):
            return self.get_response(request)
        try:
            return self._once(request, principal, _parse(sent), timezone.now())
        except Problem as problem:
            return problem_response(problem)

    def _once(self, request: HttpRequest, principal: Principal, key: str, now: datetime) -> HttpResponse:
        _lock_key(principal, key)
        fingerprint, rights = _fingerprint(request), _rights(principal)
        kept = IdempotencyKey.objects.filter(principal_id=principal.id, key=key, created_at__gt=now - KEEP).first()
        if kept is None:
            response = self.get_response(request)
            if response.status_code < HTTPStatus.BAD_REQUEST:
                _store(response, principal=principal, key=key, fingerprint=fingerprint, rights=rights, now=now)
            return response
        if bytes(kept.fingerprint) != fingerprint:
            raise IdempotencyKeyReused()
        if kept.body is None or bytes(kept.rights) != rights:
            raise IdempotencyAnswerNotKept()
        return HttpResponse(bytes(kept.body), status=kept.status, headers={**kept.headers, REPLAYED: "true"})


def forget(principal: Principal) -> None:
    """Delete all of the principal's responses, since the person is being erased. In the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('safesignal.principal', %s, true)", [str(principal.id)])
    IdempotencyKey.objects.filter(principal_id=principal.id).update(body=None, headers={})


def _applies(request: HttpRequest, principal: Principal) -> bool:
    return (
        request.method in WRITES
        and request.path_info.startswith(API)
        and principal.kind is not PrincipalKind.GATEWAY
        and not has_own_scope(request)
    )


def _parse(sent: str) -> str:
    """Return the key, sent with or without the quotes of a structured field (RFC 8941, 3.3.3). Raises Invalid."""
    key = sent.strip()
    if key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise Invalid(
            f"{HEADER} is not a key.", errors={HEADER: ["1 to 255 printable ASCII characters, a UUID for example."]}
        )
    return key


def _lock_key(principal: Principal, key: str) -> None:
    """Lock this key until the end of the transaction. Raises IdempotencyInProgress."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('safesignal.principal', %s, true), pg_try_advisory_xact_lock(hashtextextended(%s, 0))",
            [str(principal.id), f"idempotency {principal.id} {key}"],
        )
        row = cursor.fetchone()
    if not row or not row[1]:
        raise IdempotencyInProgress()


def _fingerprint(request: HttpRequest) -> bytes:
    parts = (request.method or "", request.get_full_path(), request.content_type or "")
    return hashlib.sha256("\n".join(parts).encode() + b"\n" + request.body).digest()


def _rights(principal: Principal) -> bytes:
    """Return a digest of everything that determines the caller's current rights, places included."""
    rights = msgspec.to_builtins(rights_of(principal), str_keys=True, order="deterministic")
    return hashlib.sha256(msgspec.json.encode(rights)).digest()


def _store(
    response: HttpResponse, *, principal: Principal, key: str, fingerprint: bytes, rights: bytes, now: datetime
) -> None:
    """Store the response, but without its body if it must not be cached (it has a secret) or is streamed."""
    not_repeatable = response.streaming or "no-store" in response.headers.get("Cache-Control", "")
    IdempotencyKey.objects.bulk_create(
        [
            IdempotencyKey(
                principal_id=principal.id,
                key=key,
                fingerprint=fingerprint,
                rights=rights,
                status=response.status_code,
                headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
                body=None if not_repeatable else response.content,
                created_at=now,
            )
        ],
        update_conflicts=True,
        unique_fields=["principal_id", "key"],
        update_fields=["fingerprint", "rights", "status", "headers", "body", "created_at"],
    )
