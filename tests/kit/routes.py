"""Every route and method of Django's URL resolver."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER = re.compile(r"<[^>]+>|\{[^}]+\}")
_CHOICE = re.compile(r"\(\?P<\w+>(\w+)[^)]*\)")


@dataclass(frozen=True)
class Route:
    """One route; `methods` is None for a view that does not declare its methods."""

    path: str
    methods: frozenset[str] | None


def found_routes() -> list[Route]:
    return [Route(f"/{path}", _methods(view)) for path, view in _walk(get_resolver(), "")]


def shape(path: str) -> str:
    """Return a route's or an entry's path without its query, with every parameter replaced by the same mark."""
    return _PARAMETER.sub("{}", path.partition("?")[0])


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in resolver.url_patterns:
        path = prefix + _readable(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern.callback


def _readable(pattern: str) -> str:
    """Return a regular expression of Django's own as a path, with the first of alternative words."""
    return _CHOICE.sub(r"\1", pattern).removeprefix("^").removesuffix("$")


def _methods(view: Any) -> frozenset[str] | None:
    view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if view_class is None:
        return None
    allowed = getattr(view, "view_initkwargs", {}).get("http_method_names", view_class.http_method_names)
    handlers = getattr(view, "actions", None) or {name: name for name in METHODS if hasattr(view_class, name.lower())}
    return frozenset(name.upper() for name in handlers if name.lower() in allowed)
