"""Limits on the requests of one caller: against runaway programs, never against alarms.

Requests count for a person or service (`user`) and their organization. Anonymous requests count for the address, or for
the device if somebody has signed in on it before (`known_devices`): a flood from one address does not lock out people
who work there. Raising, reading and answering alarms is not counted (`endpoints.exempt_from_rate_limit`), nor are
gateways and live connections. Without Valkey nothing is counted. `apps.common.limits` has the limits, of which
`settings.RATE_LIMITS` overrides the counts; the headers are those of draft-ietf-httpapi-ratelimit-headers.
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

from apps.common import limits, valkey
from apps.common.access import Principal, PrincipalKind
from apps.common.http.callers.addresses import address_of, source_of
from apps.common.http.callers.known_devices import known_device
from apps.common.http.endpoints import is_exempt_from_rate_limit
from apps.common.problems import API, TooManyRequests, problem_response

logger = logging.getLogger(__name__)

WINDOWS: Final[Mapping[str, int]] = {limit.per: limit.seconds for limit in limits.REQUESTS}
"""Seconds, by limit."""
REST_SECONDS: Final = 2.0
"""Pause after Valkey did not respond, since each attempt can take VALKEY_TIMEOUT_SECONDS."""


@dataclass(frozen=True, slots=True)
class Count:
    """The requests of one caller under one limit."""

    policy: str
    limit: int
    used: int
    reset: int
    """Seconds until the limit is reset."""

    @property
    def remaining(self) -> int:
        """The number of requests left in this window."""
        return max(0, self.limit - self.used)


class RateLimitMiddleware:
    """Counts requests below /api/; runs after the middleware that resolves the principal."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._rests_until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, or refuse with 429; either way add the rate limit headers."""
        keys = _keys(request)
        counts = self._count(keys) if keys else []
        exceeded = [count.reset for count in counts if count.used > count.limit]
        if exceeded:
            response = problem_response(TooManyRequests(retry_after=max(exceeded)))
        else:
            response = self.get_response(request)
        if counts:
            tightest = min(counts, key=lambda count: count.remaining)
            response["RateLimit-Policy"] = ", ".join(f'"{c.policy}";q={c.limit};w={WINDOWS[c.policy]}' for c in counts)
            response["RateLimit"] = f'"{tightest.policy}";r={tightest.remaining};t={tightest.reset}'
        return response

    def _count(self, keys: Mapping[str, str]) -> list[Count]:
        """Count this request under each limit, in one round trip; count nothing while Valkey is unavailable."""
        if time.monotonic() < self._rests_until:
            return []
        try:
            with valkey.client().pipeline(transaction=False) as pipeline:
                for policy, key in keys.items():
                    pipeline.incr(key)
                    pipeline.expire(key, WINDOWS[policy], nx=True)
                    pipeline.ttl(key)
                answers = [int(answer) for answer in pipeline.execute()]
        except redis.RedisError as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            logger.warning("requests are not counted while Valkey is unavailable: %s", error)
            return []
        return [
            Count(policy, settings.RATE_LIMITS[policy], used, max(reset, 1))
            for policy, used, reset in zip(keys, answers[0::3], answers[2::3], strict=True)
        ]


def _keys(request: HttpRequest) -> dict[str, str]:
    """Return the counter keys of this request by limit; none for requests that are never refused."""
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
    """Return the named organization or the only one; a request without either counts for its caller only."""
    if len(principal.grants) == 1:
        return next(iter(principal.grants))
    named = request.GET.get("organization")
    return next((organization for organization in principal.grants if str(organization) == named), None)


def _key(kind: str, value: str) -> str:
    """Return a keyed digest, so that Valkey does not store who calls from where."""
    digest = salted_hmac("safesignal.rate", value, algorithm="sha256").hexdigest()[:32]
    return f"safesignal:rate:{kind}:{digest}"
