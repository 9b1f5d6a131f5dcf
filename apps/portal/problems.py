"""The page to which a problem's `type` points."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.common.http.endpoints import public_endpoint
from apps.common.http.problem_catalogue import catalogue


@public_endpoint
@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Show what a problem code means, and what to do about it."""
    entry = catalogue().get(code)
    if entry is None:
        raise Http404
    return render(request, "portal/problem.html", {"entry": entry})
