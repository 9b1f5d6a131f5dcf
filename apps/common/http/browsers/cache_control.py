"""Cache control: a response must not be stored unless it says otherwise.

Responses are private unless marked `public`, like the token keys and our static files. Reads that many screens repeat
use `private, no-cache` with an `ETag`: the browser may store them, and revalidates.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

KEEP_NOTHING: Final = "no-store"


class CacheMiddleware:
    """Runs outside all code that sets `Cache-Control` itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response, with `no-store` unless it sets `Cache-Control`."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", KEEP_NOTHING)
        return response
