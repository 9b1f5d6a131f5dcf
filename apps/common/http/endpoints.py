"""Properties of endpoints: public, in a scope of their own, exempt from the rate limit, a transfer."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponseBase
from django.urls import Resolver404, resolve

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def public_endpoint(view: View) -> View:
    """Mark a view as public: it requires no principal and runs in no scope; its services open their own transactions.

    The audit row of a refusal is committed although the response is an error, an expired token in a header does not
    prevent a client from getting a new one, and no connection is held while a password is hashed.
    """
    view.is_public_endpoint = True  # type: ignore[attr-defined]
    return view


def own_scope(view: View) -> View:
    """Mark an authenticated view that runs in no scope: its services open their own transactions.

    For attempts that are counted: what a refusal writes is committed although the response is an error.
    """
    view.has_own_scope = True  # type: ignore[attr-defined]
    return view


def exempt_from_rate_limit(endpoint: Endpoint) -> Endpoint:
    """Mark a view, or its class, that never returns 429: for raising, reading and answering alarms."""
    endpoint.is_exempt_from_rate_limit = True  # type: ignore[attr-defined]
    return endpoint


def is_public_endpoint(request: HttpRequest) -> bool:
    """Return whether the view of this request is public."""
    return bool(getattr(_view(request), "is_public_endpoint", False))


def has_own_scope(request: HttpRequest) -> bool:
    """Return whether the view of this request opens its own scope: a public endpoint, or one marked so."""
    return is_public_endpoint(request) or bool(getattr(_view(request), "has_own_scope", False))


def is_exempt_from_rate_limit(request: HttpRequest) -> bool:
    """Return whether the view of this request, or its class, never returns 429."""
    view = _view(request)
    return bool(getattr(getattr(view, "cls", view), "is_exempt_from_rate_limit", False))


def is_transfer(request: HttpRequest) -> bool:
    """Return whether the view of this request imports or exports (`concurrency.bounded_transfer`)."""
    return bool(getattr(_view(request), "is_transfer", False))


def _view(request: HttpRequest) -> object:
    """Return the view of this request, resolved once."""
    try:
        return request._safesignal_view  # type: ignore[attr-defined]
    except AttributeError:
        try:
            view: object = resolve(request.path_info).func
        except Resolver404:
            view = None
        request._safesignal_view = view  # type: ignore[attr-defined]
        return view
