"""Redirect targets from URLs, restricted to pages of this host."""

from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

LONGEST: Final = 1024
"""Maximum number of characters of a redirect target."""


def own_page(request: HttpRequest, named: str) -> str | None:
    """Return the page of this host that `named` refers to, as a path with its query; None for anything else.

    A relative path is refused: its meaning would depend on the current page, and Django treats it as a view name.
    """
    if not named.startswith("/") or len(named) > LONGEST or not named.isprintable():
        return None
    if not url_has_allowed_host_and_scheme(named, {request.get_host()}, require_https=request.is_secure()):
        return None
    try:
        urlsplit(named)
    except ValueError:
        return None
    return iri_to_uri(named)
