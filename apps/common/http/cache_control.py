"""What a cache may keep of our answers: nothing, where the answer does not say otherwise itself.

An answer is about somebody unless it says that it is for everybody (`public`, as the keys of tokens and our own files
are). A read that many screens repeat says `private, no-cache` with an `ETag`: its browser may keep it, and asks again.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

KEEP_NOTHING: Final = "no-store"


class CacheMiddleware:
    """Stands outside of whatever writes `Cache-Control` itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, not to be kept unless it says so."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", KEEP_NOTHING)
        return response
