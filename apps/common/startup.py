"""What every program of the cloud does once, when it is loaded and before it has threads."""

import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import msgspec
from django.conf import settings

SWITCH_SECONDS: Final = 0.0002
"""How long a thread keeps the interpreter while others wait for it: a 25th of Python's own, so that an alarm gets it
soon, whatever pages or seals are computed."""


def finish_loading() -> None:
    """Load what would be loaded by the first request, and make the process ready for threads and for long."""
    import_module(settings.ROOT_URLCONF)
    _prepare_messages()
    sys.setswitchinterval(SWITCH_SECONDS)
    _leave_out_of_collections()


def _prepare_messages() -> None:
    """Have msgspec work out how each type is read.

    It does so at the first use, and lets other threads see the type half done: two that read one for the first time
    at the same moment end the process (tried with msgspec 0.22.0).
    """
    for struct in _below(msgspec.Struct):
        msgspec.json.Decoder(struct)


def _below(type_: type[Any]) -> Iterator[type[Any]]:
    for below in type_.__subclasses__():
        yield below
        yield from _below(below)


def _leave_out_of_collections() -> None:
    """Have the garbage collector pass over what is loaded: a pass over all of Django takes a tenth of a second and
    more, and every screen waits for it.
    """
    gc.collect()
    gc.freeze()
