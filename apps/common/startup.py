"""One-time setup of every program of the cloud, when it is loaded and before it has threads."""

import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import msgspec
from django.conf import settings

SWITCH_SECONDS: Final = 0.0002
"""How long a thread keeps the interpreter while others wait for it: a 25th of Python's default, so that an alarm gets
it soon, whatever pages or hashes are computed."""


def finish_loading() -> None:
    """Load what the first request would load, and prepare the process for threads and for running long."""
    import_module(settings.ROOT_URLCONF)
    _prepare_messages()
    sys.setswitchinterval(SWITCH_SECONDS)
    _leave_out_of_collections()


def _prepare_messages() -> None:
    """Have msgspec prepare the decoding of each type.

    It does so at the first use, and exposes the unfinished type to other threads: two threads that decode a type for
    the first time at once crash the process (tried with msgspec 0.22.0).
    """
    for struct in _below(msgspec.Struct):
        msgspec.json.Decoder(struct)


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
