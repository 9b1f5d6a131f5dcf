"""A program in which several threads decode each kind of message, and request the OpenAPI document,
for the first time at the same moment, after starting like a server. It fails if something was not prepared.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from importlib import import_module
from threading import Barrier, Thread
from typing import Any, Final

import msgspec

THREADS: Final = 8
DOCUMENTS: Final = 3
SHORTEST: Final = 1e-6
"""Seconds for which a thread keeps the interpreter, so that threads interrupt each other."""


def main() -> None:
    """Set up like a server, then use everything."""
    import_module("safesignal.asgi")
    import_module("apps.common.startup").finish_loading()
    sys.setswitchinterval(SHORTEST)
    with ThreadPoolExecutor(DOCUMENTS) as pool:
        list(pool.map(_read_document, range(DOCUMENTS)))
    types = [type_ for type_ in _below(msgspec.Struct) if type_.__module__.startswith("apps.")]
    for type_ in types:
        _read_at_once(type_)
    sys.stdout.write(f"{len(types)} types\n")


def _below(type_: type[Any]) -> Iterator[type[Any]]:
    for below in type_.__subclasses__():
        yield below
        yield from _below(below)


def _read_document(_number: int) -> None:
    response = import_module("django.test").Client(SERVER_NAME="127.0.0.1").get("/api/v1/openapi.json")
    assert response.status_code == HTTPStatus.OK


def _read_at_once(type_: type[Any]) -> None:
    barrier = Barrier(THREADS)

    def read() -> None:
        barrier.wait()
        for body in (b"[1,2,3]", b'{"type":1,"id":2}'):
            with suppress(msgspec.ValidationError):
                msgspec.json.decode(body, type=type_)

    threads = [Thread(target=read) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
