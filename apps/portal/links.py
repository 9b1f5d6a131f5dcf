"""Pages behind the links of e-mails.

The secret is in the URL fragment, which browsers do not send to a server. A script of the page sends it to the API only
when a person submits the form, since mail scanners open links too.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.identity.sign_in import passwords
from apps.accounts.mail.budgets import TooManyMessages, source_of_request
from apps.accounts.mail.messages import is_address
from apps.common.access import Principal
from apps.common.http.endpoints import public_endpoint
from apps.portal import security


@security.page
@require_safe
def join(request: HttpRequest) -> HttpResponse:
    """Accept an invitation with a new account, or with the account that is signed in."""
    principal: Principal | None = getattr(request, "principal", None)
    return render(request, "portal/join.html", {"name": principal.name if principal else None})


@public_endpoint
@security.page
@require_safe
def confirm_email(request: HttpRequest) -> HttpResponseBase:
    """Confirm an e-mail address."""
    return render(request, "portal/confirm_email.html")


@public_endpoint
@security.page
@require_safe
def day(request: HttpRequest) -> HttpResponseBase:
    """Show the code that a substitute teacher types into the app."""
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
    """Send a reset link; the response does not reveal whether the account exists."""
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
