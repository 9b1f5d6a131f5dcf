"""What a browser may load on a page of ours: own files only, nothing inline (`settings.CONTENT_SECURITY_POLICY`)."""

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
"""django-unfold's pages are driven by Alpine.js, which evaluates their attributes, and style their colours in the page.
A script in the page itself is refused there as everywhere, and nothing comes from elsewhere."""


class PolicyMiddleware(CSPMiddleware):
    """The strict policy everywhere, and one that the admin works with there."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """What makes up the policy of one answer."""
        parts = super().get_policy_parts(request, response, report_only)
        if _is_page_of_admin(request, response) and not report_only:
            parts.replace = ADMIN_REPLACES
        return parts


def _is_page_of_admin(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether this is a page of the admin for somebody who signed in: no refusal, no file, no other path."""
    is_page = response.status_code == HTTPStatus.OK and response.get("Content-Type", "").startswith("text/html")
    return is_page and request.path_info.startswith(ADMIN) and getattr(request, "principal", None) is not None
