"""What is said of a door itself: that it stands before anybody is known, or that it never turns anybody away."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Door = TypeVar("Door", bound=Callable[..., Any])


def open_door(view: View) -> View:
    """Mark a view that asks for no principal and runs in no scope: its services open their own transactions.

    So a refusal's audit row stays though the answer is an error, an expired token in a header does not keep anyone
    from getting a new one, and no connection is held while a password is hashed.
    """
    view.is_open_door = True  # type: ignore[attr-defined]
    return view


def own_scope(view: View) -> View:
    """Mark a view that knows its caller and runs in no scope: its services open their own transactions.

    For guesses that are counted: what a refusal writes stays though its answer is an error.
    """
    view.has_own_scope = True  # type: ignore[attr-defined]
    return view


def never_refused(door: Door) -> Door:
    """Mark a view, or the class of one, that answers nobody 429: raising an alarm, seeing it, and answering it."""
    door.is_never_refused = True  # type: ignore[attr-defined]
    return door


def is_open_door(request: HttpRequest) -> bool:
    """Whether the view that will answer this request is marked so."""
    return bool(getattr(_view(request), "is_open_door", False))


def has_own_scope(request: HttpRequest) -> bool:
    """Whether the view that will answer this request opens its own scope: an open door, or one that is marked so."""
    return is_open_door(request) or bool(getattr(_view(request), "has_own_scope", False))


def is_never_refused(request: HttpRequest) -> bool:
    """Whether the view that will answer this request, or its class, is marked so."""
    view = _view(request)
    return bool(getattr(getattr(view, "cls", view), "is_never_refused", False))


def is_transfer(request: HttpRequest) -> bool:
    """Whether the view that will answer this request imports or exports (`concurrency.bounded_transfer`)."""
    return bool(getattr(_view(request), "is_transfer", False))


def _view(request: HttpRequest) -> object:
    """The view that will answer; looked up once for a request."""
    try:
        return request._safesignal_view  # type: ignore[attr-defined]
    except AttributeError:
        try:
            view: object = resolve(request.path_info).func
        except Resolver404:
            view = None
        request._safesignal_view = view  # type: ignore[attr-defined]
        return view
