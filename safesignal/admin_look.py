"""The appearance of the admin: the portal's colours and logo (`static/portal/portal.css`), for django-unfold."""

from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static


def sign(request: HttpRequest) -> str:
    """Return the URL of the portal's logo."""
    return static("portal/icon.svg")


INK: Final = {
    "50": "#f5f6f4",
    "100": "#eceeef",
    "200": "#dde2e5",
    "300": "#c3cad0",
    "400": "#616c7a",
    "500": "#4a5563",
    "600": "#10151c",
    "700": "#10151c",
    "800": "#10151c",
    "900": "#10151c",
    "950": "#10151c",
}

UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "SafeSignal",
    "SITE_HEADER": "SafeSignal",
    "SITE_URL": "/board/",
    "SITE_ICON": sign,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": sign}],
    "THEME": "light",
    "BORDER_RADIUS": "11px",
    "COLORS": {"primary": INK},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
}
