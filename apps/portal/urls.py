"""Pages of the portal."""

from django.urls import path
from django.views.generic import RedirectView

from apps.portal import problems, views

app_name = "portal"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:board", http_method_names=["get", "head"]), name="home"),
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("board/", views.board, name="board"),
    path("board/alerts/<uuid:alert_id>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("board/alerts/<uuid:alert_id>/resolve/", views.resolve, name="resolve"),
    path("problems/<slug:code>", problems.problem, name="problem"),
]
