"""What a browser may load on a page of ours: own files only, nothing inline (`settings.CONTENT_SECURITY_POLICY`)."""

from typing import Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

ADMIN: Final = "/admin/"
ADMIN_REPLACES: Final = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}
"""django-unfold's pages are driven by Alpine.js, which evaluates their attributes; nothing comes from elsewhere."""


class PolicyMiddleware(CSPMiddleware):
    """The strict policy everywhere, and one that the admin works with there."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """What makes up the policy of one answer."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(ADMIN) and not report_only:
            parts.replace = ADMIN_REPLACES
        return parts
