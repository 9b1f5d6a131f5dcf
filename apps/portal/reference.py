"""The OpenAPI document as pages for people: Swagger UI and Redoc, from files of our own."""

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
"""What it puts into the page before it is told the nonce; a test says when a new version of it has others."""


@public_endpoint
@require_safe
@csp_update({"img-src": [SELF, "data:"]})
def swagger(request: HttpRequest) -> HttpResponse:
    """To try calls out."""
    return render(request, "portal/swagger.html")


@public_endpoint
@require_safe
@csp_update({"img-src": [SELF, "data:"], "style-src": [SELF, NONCE, *STYLES_OF_REDOC], "worker-src": [SELF, "blob:"]})
def redoc(request: HttpRequest) -> HttpResponse:
    """To read."""
    return render(request, "portal/redoc.html")
