"""One-time setup of every program of the cloud, when it is loaded and before it has threads."""

import gc
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

import msgspec
from django.conf import settings

SWITCH_SECONDS: Final = 0.0002
"""How long a thread keeps the interpreter while others wait for it: a 25th of Python's default, so that an alarm gets
it soon, whatever pages or hashes are computed."""

UNKNOWN: Final = SimpleNamespace(cls=object)
"""A target, or the callback of a view, that no extension is for."""


def finish_loading() -> None:
    """Load what the first request would load, and prepare the process for threads and for running long."""
    import_module(settings.ROOT_URLCONF)
    _prepare_messages()
    _resolve_openapi_extensions()
    sys.setswitchinterval(SWITCH_SECONDS)
    _leave_out_of_collections()


def _prepare_messages() -> None:
    """Have msgspec prepare the decoding of each type.

    It does so at the first use, and exposes the unfinished type to other threads: two threads that decode a type for
    the first time at once crash the process (tried with msgspec 0.22.0).
    """
    for struct in _below(msgspec.Struct):
        msgspec.json.Decoder(struct)


def _resolve_openapi_extensions() -> None:
    """Have drf-spectacular import the classes that its extensions are for.

    It does so at the first document, and exposes the unfinished extension to other threads: of several first requests
    for the document at once, some failed (tried with drf-spectacular 0.30.0).
    """
    for find in openapi_extensions():
        find(UNKNOWN)


def openapi_extensions() -> list[Callable[[Any], object]]:
    """Return the search of drf-spectacular's extensions of each kind."""
    from drf_spectacular import extensions  # noqa: PLC0415 -- it needs the loaded apps

    return [
        extensions.OpenApiAuthenticationExtension.get_match,
        extensions.OpenApiFilterExtension.get_match,
        extensions.OpenApiSerializerExtension.get_match,
        extensions.OpenApiSerializerFieldExtension.get_match,
        extensions.OpenApiViewExtension.get_match,
    ]


def _below(type_: type[Any]) -> Iterator[type[Any]]:
    for below in type_.__subclasses__():
        yield below
        yield from _below(below)


def _leave_out_of_collections() -> None:
    """Exclude loaded objects from garbage collection.

    A pass over all of Django takes a tenth of a second or more, and every screen waits for it.
    """
    gc.collect()
    gc.freeze()
