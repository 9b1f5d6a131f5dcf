"""All routes of the cloud, except for the live ones in `asgi.py`."""

from django.contrib import admin
from django.urls import include, path

from apps.accounts.identity.api.key_set import KeySetView
from apps.common.http.endpoints import public_endpoint
from apps.common.openapi.endpoint import DocumentView
from apps.common.operations.metrics_page import metrics_page
from apps.portal import reference

urlpatterns = [
    path("health/", include("apps.common.urls")),
    path("metrics", metrics_page),
    path(".well-known/jwks.json", public_endpoint(KeySetView.as_view())),
    path("api/v1/", include("apps.tenancy.api.urls")),
    path("api/v1/", include("apps.accounts.urls")),
    path("api/v1/", include("apps.devices.api.urls")),
    path("api/v1/", include("apps.alerts.api.urls")),
    path("api/v1/openapi.json", public_endpoint(DocumentView.as_view()), name="openapi"),
    path("api/v1/docs", reference.swagger),
    path("api/v1/redoc", reference.redoc),
    path("admin/", admin.site.urls),
    path("", include("apps.portal.urls")),
]

handler400 = "apps.common.problems.bad_request"
handler403 = "apps.common.problems.permission_denied"
handler404 = "apps.common.problems.not_found"
handler500 = "apps.common.problems.server_error"
