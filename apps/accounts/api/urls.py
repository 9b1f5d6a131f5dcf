"""Under /api/v1/."""

from django.urls import path

from apps.accounts.api import schema  # noqa: F401 (tells the OpenAPI generator how callers authenticate)
from apps.accounts.api.auth import LoginView, LogoutView, RefreshView
from apps.accounts.api.transfer import ExportPeopleView, ImportPeopleView
from apps.common.doors import open_door

urlpatterns = [
    path("auth/login", open_door(LoginView.as_view()), name="auth-login"),
    path("auth/refresh", open_door(RefreshView.as_view()), name="auth-refresh"),
    path("auth/logout", open_door(LogoutView.as_view()), name="auth-logout"),
    path("organizations/<uuid:organization_id>/imports/people", ImportPeopleView.as_view()),
    path("organizations/<uuid:organization_id>/exports/people", ExportPeopleView.as_view()),
]
