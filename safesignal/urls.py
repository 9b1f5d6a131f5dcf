"""Every route of the cloud; the live ones are in `asgi.py`."""

from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView

urlpatterns = [
    path("health/", include("apps.common.urls")),
    path("api/v1/", include("apps.accounts.api.urls")),
    path("api/v1/", include("apps.devices.api.urls")),
    path("api/v1/", include("apps.alerts.api.urls")),
    path("api/v1/openapi.json", SpectacularJSONAPIView.as_view(permission_classes=[], authentication_classes=[])),
    path("", include("apps.portal.urls")),
]

handler500 = "apps.common.problems.server_error"
