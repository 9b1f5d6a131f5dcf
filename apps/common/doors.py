"""Doors that stand before anybody is known: signing in, and health."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def open_door(view: View) -> View:
    """Mark a view that asks for no principal and runs in no scope: its services open their own transactions.

    So a refusal's audit row stays though the answer is an error, an expired token in a header does not keep anyone
    from getting a new one, and no connection is held while a password is hashed.
    """
    view.is_open_door = True  # type: ignore[attr-defined]
    return view


def is_open_door(request: HttpRequest) -> bool:
    """Whether the view that will answer this request is marked so."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return getattr(view, "is_open_door", False)
