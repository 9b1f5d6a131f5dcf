"""The OpenAPI document over HTTP."""

from functools import cache
from threading import Lock
from typing import Any, Final

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularJSONAPIView

_BUILDING: Final = Lock()


class OneDocument(SchemaGenerator):
    """Builds the document at the first request of a process: it is the same for everyone, and takes a second.

    One thread builds it: drf-spectacular then imports what its extensions are for, and exposes unfinished ones to other
    threads, whose requests failed (tried with drf-spectacular 0.30.0).
    """

    def get_schema(self, request: object = None, public: bool = False) -> dict[str, Any]:
        """Return the document of the public API."""
        with _BUILDING:
            return _document()


class DocumentView(SpectacularJSONAPIView):
    """The document, for everyone."""

    permission_classes = ()
    authentication_classes = ()
    generator_class = OneDocument


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return document
