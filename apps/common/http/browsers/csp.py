"""Content security policy: our own files only, nothing inline (`settings.CONTENT_SECURITY_POLICY`)."""

from http import HTTPStatus
from typing import Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

ADMIN: Final = "/admin/"
ADMIN_REPLACES: Final = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}
"""django-unfold's pages use Alpine.js, which evaluates attributes, and inline styles for their colours. Inline scripts
are refused there as everywhere, and nothing is loaded from other hosts."""


class PolicyMiddleware(CSPMiddleware):
    """Applies the strict policy, except for a looser one that the admin needs."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return the policy of one response."""
        parts = super().get_policy_parts(request, response, report_only)
        if _is_page_of_admin(request, response) and not report_only:
            parts.replace = ADMIN_REPLACES
        return parts


def _is_page_of_admin(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether this is an admin page for a signed-in person: not a refusal, a file or another path."""
    is_page = response.status_code == HTTPStatus.OK and response.get("Content-Type", "").startswith("text/html")
    return is_page and request.path_info.startswith(ADMIN) and getattr(request, "principal", None) is not None
