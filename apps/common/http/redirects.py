"""Where a browser may be sent at the word of an address: pages of this host only."""

from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

LONGEST: Final = 1024
"""Characters of such an address."""


def own_page(request: HttpRequest, named: str) -> str | None:
    """The page of this host that `named` leads to, as a path with its query; None for anything else.

    A relative path is refused: it would mean another page on every page, and Django takes it for the name of a view.
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
