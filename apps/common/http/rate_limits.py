"""How many requests one caller may send in a minute: a guard against runaway programs, never against an alarm.

Counted are a person or service (`user`), their organization, and for callers whom nobody knows yet the address, or the
device where somebody signed in before (`known_devices`): no flood from one address keeps those out who work there. Who
raises, sees or answers an alarm is counted nowhere (`endpoints.exempt_from_rate_limit`), nor is a gateway or a live
connection. Without Valkey nobody is counted. The limits are `settings.RATE_LIMITS`; the headers those of
draft-ietf-httpapi-ratelimit-headers.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from apps.common import valkey
from apps.common.access import Principal, PrincipalKind
from apps.common.http.addresses import address_of, source_of
from apps.common.http.endpoints import is_exempt_from_rate_limit
from apps.common.http.known_devices import known_device
from apps.common.problems import API, TooManyRequests, problem_response

logger = logging.getLogger(__name__)

WINDOW_SECONDS: Final = 60
REST_SECONDS: Final = 2.0
"""How long Valkey is not asked again after it did not answer: each asking can take VALKEY_TIMEOUT_SECONDS."""


@dataclass(frozen=True, slots=True)
class Count:
    """Where one caller stands under one limit."""

    policy: str
    limit: int
    used: int
    reset: int
    """Seconds until it begins again."""

    @property
    def remaining(self) -> int:
        """Requests that are left of this minute."""
        return max(0, self.limit - self.used)


class RateLimitMiddleware:
    """Counts requests below /api/; stands after the middleware that resolves the principal."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._rests_until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or refuse with 429; either way say what is left."""
        keys = _keys(request)
        counts = self._take(keys) if keys else []
        exceeded = [count.reset for count in counts if count.used > count.limit]
        if exceeded:
            response = problem_response(TooManyRequests(retry_after=max(exceeded)))
        else:
            response = self.get_response(request)
        if counts:
            tightest = min(counts, key=lambda count: count.remaining)
            response["RateLimit-Policy"] = ", ".join(f'"{c.policy}";q={c.limit};w={WINDOW_SECONDS}' for c in counts)
            response["RateLimit"] = f'"{tightest.policy}";r={tightest.remaining};t={tightest.reset}'
        return response

    def _take(self, keys: Mapping[str, str]) -> list[Count]:
        """Count this request under each limit, in one round trip; nothing while Valkey is away."""
        if time.monotonic() < self._rests_until:
            return []
        try:
            with valkey.client().pipeline(transaction=False) as pipeline:
                for key in keys.values():
                    pipeline.incr(key)
                    pipeline.expire(key, WINDOW_SECONDS, nx=True)
                    pipeline.ttl(key)
                answers = [int(answer) for answer in pipeline.execute()]
        except redis.RedisError as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            logger.warning("requests are not counted while Valkey is away: %s", error)
            return []
        return [
            Count(policy, settings.RATE_LIMITS[policy], used, max(reset, 1))
            for policy, used, reset in zip(keys, answers[0::3], answers[2::3], strict=True)
        ]


def _keys(request: HttpRequest) -> dict[str, str]:
    """Under which limits this request counts, and as whom; under none for what is never refused."""
    if not request.path_info.startswith(API) or is_exempt_from_rate_limit(request):
        return {}
    principal: Principal | None = getattr(request, "principal", None)
    if principal is None:
        known = known_device(request)
        return {"address": _key("device", known.id) if known else _key("address", source_of(address_of(request)))}
    if principal.kind is PrincipalKind.GATEWAY:
        return {}
    keys = {"user": _key("user", str(principal.id))}
    organization = _organization(request, principal)
    if organization is not None:
        keys["organization"] = _key("organization", str(organization))
    return keys


def _organization(request: HttpRequest, principal: Principal) -> UUID | None:
    """The one that is named or the only one; a request without either counts for its caller alone."""
    if len(principal.grants) == 1:
        return next(iter(principal.grants))
    named = request.GET.get("organization")
    return next((organization for organization in principal.grants if str(organization) == named), None)


def _key(kind: str, value: str) -> str:
    """Keyed digests: Valkey is not told who calls from where."""
    digest = salted_hmac("safesignal.rate", value, algorithm="sha256").hexdigest()[:32]
    return f"safesignal:rate:{kind}:{digest}"
