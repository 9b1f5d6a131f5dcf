"""The API reference for people: Swagger UI and Redoc, served from our own files."""

from typing import Final

from csp.constants import NONCE, SELF
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.common.http.endpoints import public_endpoint

STYLES_OF_REDOC: Final = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)
"""Inline styles that Redoc adds before it has the nonce; a test fails when a new version adds others."""


@public_endpoint
@require_safe
@csp_update({"img-src": [SELF, "data:"]})
def swagger(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI, to try out calls."""
    return render(request, "portal/swagger.html")


@public_endpoint
@require_safe
@csp_update({"img-src": [SELF, "data:"], "style-src": [SELF, NONCE, *STYLES_OF_REDOC], "worker-src": [SELF, "blob:"]})
def redoc(request: HttpRequest) -> HttpResponse:
    """Show Redoc, to read."""
    return render(request, "portal/redoc.html")
