"""The OpenAPI document over HTTP."""

from threading import Lock
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.views import SpectacularJSONAPIView

_BUILDING: Final = Lock()


class DocumentView(SpectacularJSONAPIView):
    """The document, for everyone.

    One thread builds it at a time: at its first use drf-spectacular imports what its extensions are for, and exposes
    unfinished ones to other threads, whose requests failed (tried with drf-spectacular 0.30.0).
    """

    permission_classes = ()
    authentication_classes = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Build and return the document."""
        with _BUILDING:
            return super().dispatch(request, *args, **kwargs)
