"""Pages of the portal."""

from django.urls import path
from django.views.generic import RedirectView

from apps.portal import links, problems, second_factor, views

app_name = "portal"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:board", http_method_names=["get", "head"]), name="home"),
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("join/", links.join, name="join"),
    path("confirm-email/", links.confirm_email, name="confirm-email"),
    path("day/", links.day, name="day"),
    path("reset-password/", links.reset_password, name="reset-password"),
    path("forgot-password/", links.forgot_password, name="forgot-password"),
    path("account/second-factor/", second_factor.set_up, name="second-factor"),
    path("board/", views.board, name="board"),
    path("board/alerts/<uuid:alert_id>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("board/alerts/<uuid:alert_id>/resolve/", views.resolve, name="resolve"),
    path("problems/<slug:code>", problems.problem, name="problem"),
]
