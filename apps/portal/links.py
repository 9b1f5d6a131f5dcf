"""Pages that the links of e-mails lead to. The secret stands in the fragment, which no server is sent: a script of the
page brings it to the API, and only when a person says so, since mail scanners open links too.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.identity import passwords
from apps.accounts.mail.budgets import TooManyMessages, source_of_request
from apps.accounts.mail.messages import is_address
from apps.common.access import Principal
from apps.common.http.endpoints import public_endpoint
from apps.portal import security


@security.page
@require_safe
def join(request: HttpRequest) -> HttpResponse:
    """Take up an invitation: with a new account, or the one that somebody has signed in to."""
    principal: Principal | None = getattr(request, "principal", None)
    return render(request, "portal/join.html", {"name": principal.name if principal else None})


@public_endpoint
@security.page
@require_safe
def confirm_email(request: HttpRequest) -> HttpResponseBase:
    """Confirm that an address is one's own."""
    return render(request, "portal/confirm_email.html")


@public_endpoint
@security.page
@require_safe
def day(request: HttpRequest) -> HttpResponseBase:
    """Show a substitute the code that they type into the app."""
    return render(request, "portal/day.html")


@public_endpoint
@security.page
@require_safe
def reset_password(request: HttpRequest) -> HttpResponseBase:
    """Set a new password."""
    return render(request, "portal/reset_password.html")


@public_endpoint
@security.page
@require_http_methods(["GET", "HEAD", "POST"])
def forgot_password(request: HttpRequest) -> HttpResponseBase:
    """Have a link sent; what is said does not tell whether there is such an account."""
    email = request.POST.get("email", "").strip()
    if not email:
        return render(request, "portal/forgot_password.html")
    if not is_address(email):
        return _not_sent(request, "This is not an e-mail address.", HTTPStatus.BAD_REQUEST)
    try:
        passwords.ask_reset(email=email, source=source_of_request(request))
    except TooManyMessages as refusal:
        response = _not_sent(request, f"{refusal.detail} ({refusal.retry_after} seconds)", refusal.status)
        response["Retry-After"] = refusal.headers["Retry-After"]
        return response
    return render(request, "portal/forgot_password.html", {"email": email})


def _not_sent(request: HttpRequest, error: str, status: HTTPStatus) -> HttpResponse:
    return render(request, "portal/forgot_password.html", {"error": error}, status=status)
