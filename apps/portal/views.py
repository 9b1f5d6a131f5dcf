"""Pages of the portal: sign in and out, and the live board."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.identity.principals.principals import open_session
from apps.accounts.identity.second_factors.services import SecondFactorRefused, SecondFactorRequired
from apps.accounts.identity.sign_in import browser
from apps.accounts.identity.sign_in.services import WrongCredentials, authenticate, authenticate_further
from apps.accounts.models import User
from apps.accounts.single_sign_on.flow import IdentityNotLinked, SingleSignOnFailed
from apps.alerts import services
from apps.alerts.selectors import is_alarm_open
from apps.common.access import Principal, second_factor_due
from apps.common.http.browsers.redirects import own_page
from apps.common.http.callers.addresses import address_of
from apps.common.http.callers.known_devices import known_device, remember_device
from apps.common.http.endpoints import public_endpoint
from apps.common.problems import Conflict, Forbidden, NotFound, TooManyRequests
from apps.portal import security, selectors
from apps.portal.board import board_context

FEED_URL: Final = "/ws/alerts"
ALERTS_URL: Final = "/api/v1/alerts"
DRILLS_URL: Final = "/api/v1/drills"
TROUBLES_URL: Final = "/api/v1/troubles"
HIDDEN_BOARD_SECONDS: Final = 10
"""Reload interval of the page that replaces a hidden board."""

FROM_SCHOOL: Final = {problem.code: problem.default_detail for problem in (SingleSignOnFailed, IdentityNotLinked)}
"""Messages for people whose single sign-on failed."""

P = ParamSpec("P")


def signed_in(
    view: Callable[Concatenate[HttpRequest, Principal, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Require a signed-in person: redirect anonymous visitors to the sign-in page, and back afterwards."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        principal: Principal | None = getattr(request, "principal", None)
        if principal is None:
            return redirect(f"{reverse('portal:login')}?{urlencode({'next': request.get_full_path()})}")
        return view(request, principal, *args, **kwargs)

    return wrapped


@public_endpoint
@security.page
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Sign in with e-mail and password, and with a code if the account has a second factor."""
    target = _next(request)
    if request.method == "POST":
        return _second_step(request, target) if "challenge" in request.POST else _first_step(request, target)
    if request.user.is_authenticated:
        return redirect(target)
    return _sign_in_form(request, target, error=FROM_SCHOOL.get(request.GET.get("problem", ""), ""))


def _first_step(request: HttpRequest, target: str) -> HttpResponse:
    email, password = request.POST.get("email", "").strip(), request.POST.get("password", "")
    try:
        user = authenticate(email=email, password=password, address=address_of(request), known=known_device(request))
    except WrongCredentials:
        return _sign_in_form(request, target, email, "E-mail address and password do not match. Try again.")
    except SecondFactorRequired as required:
        return _code_form(request, target, required.challenge)
    except TooManyRequests as refusal:
        wait = f"{refusal.detail} ({refusal.retry_after} seconds)"
        return _sign_in_form(request, target, email, wait)
    return _let_in(request, user, target)


def _second_step(request: HttpRequest, target: str) -> HttpResponse:
    challenge, code = request.POST["challenge"], request.POST.get("code", "").strip()
    try:
        user = authenticate_further(
            challenge=challenge, code=code, passkey=None, address=address_of(request), known=known_device(request)
        )
    except SecondFactorRefused:
        wrong = "This code is not right, or was used before. Try the next one, or begin again."
        return _code_form(request, target, challenge, wrong)
    except TooManyRequests as refusal:
        return _code_form(request, target, challenge, f"{refusal.detail} ({refusal.retry_after} seconds)")
    return _let_in(request, user, target)


def _let_in(request: HttpRequest, user: User, target: str) -> HttpResponse:
    """Open a session for a user who has passed all steps, and remember the device.

    Redirects a user who still needs a second factor to its page, which can be skipped.
    """
    principal = open_session(request, user)
    if principal is not None and second_factor_due(principal):
        target = f"{reverse('portal:second-factor')}?{urlencode({'next': target})}"
    response = redirect(target)
    remember_device(request, response, user.email)
    return response


@security.page
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session and its sign-in."""
    browser.sign_out(request, getattr(request, "principal", None))
    return redirect("portal:login")


@security.page
@require_safe
@signed_in
def board(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Show the live board of one organization."""
    organization = _organization(request, principal)
    if organization is None:
        return _choose(request, principal)
    now = timezone.now()
    try:
        picture = selectors.picture(principal=principal, organization=organization, now=now)
    except Forbidden:
        return _hidden_board(request, principal, organization)
    context = board_context(
        picture,
        selectors.eye(principal=principal, organization=organization, now=now),
        feed_url=FEED_URL,
        alerts_url=ALERTS_URL,
        drills_url=DRILLS_URL,
        troubles_url=TROUBLES_URL,
        login_url=reverse("portal:login"),
    )
    notice = " ".join(str(message) for message in messages.get_messages(request))
    return render(request, "portal/board.html", {**context, "notice": notice})


def _hidden_board(request: HttpRequest, principal: Principal, organization: UUID) -> HttpResponse:
    """Replace the board for a caller who may not see open alerts; the page never claims that all is quiet."""
    grant = principal.grants[organization]
    if is_alarm_open(organization):
        title = "There is an alarm that you may not see"
        text = "Follow your school's instructions. Details are shown to staff whose role or place allows it."
    elif grant.places is not None and not (grant.places.sites or grant.places.buildings):
        title = "You have no place yet"
        text = "Your role applies to no site or building yet, so you can see no alerts. Ask an admin of your school."
    else:
        title = "Your role does not show open alerts"
        text = "This page only says when there is an alarm. An admin of your school can change your role."
    response = _message(request, title, text)
    response["Refresh"] = str(HIDDEN_BOARD_SECONDS)
    return response


@security.page
@require_POST
@signed_in
def acknowledge(request: HttpRequest, principal: Principal, alert_id: UUID) -> HttpResponse:
    """Acknowledge an alert by form, for a page whose script does not run."""
    return _act(request, lambda: _acknowledge(principal, alert_id))


@security.page
@require_POST
@signed_in
def resolve(request: HttpRequest, principal: Principal, alert_id: UUID) -> HttpResponse:
    """Resolve an alert by form, for a page whose script does not run."""
    return _act(request, lambda: _resolve(principal, alert_id))


def _acknowledge(principal: Principal, alert_id: UUID) -> str:
    services.acknowledge(principal=principal, alert_uuid=alert_id, now=timezone.now())
    return "You acknowledged the alert."


def _resolve(principal: Principal, alert_id: UUID) -> str:
    outcome = services.resolve(principal=principal, alert_uuid=alert_id, reason=None, now=timezone.now())
    if outcome.awaiting_second_person:
        return "Your all clear is in: 1 of 2. A second person must confirm."
    return "The alert is closed."


def _act(request: HttpRequest, act: Callable[[], str]) -> HttpResponse:
    try:
        text = act()
    except Conflict:
        text = "Somebody was faster. The board shows how it stands now."
    except (Forbidden, NotFound) as refusal:
        text = refusal.detail
    messages.info(request, text)
    return redirect(_board_url(request))


def _board_url(request: HttpRequest) -> str:
    organization = request.GET.get("organization")
    return reverse("portal:board") + (f"?{urlencode({'organization': organization})}" if organization else "")


def _organization(request: HttpRequest, principal: Principal) -> UUID | None:
    """Return the organization named in the address, or the only one; None if the caller has to choose."""
    named = request.GET.get("organization")
    if named is None:
        return next(iter(principal.grants)) if len(principal.grants) == 1 else None
    return next((organization for organization in principal.grants if str(organization) == named), None)


def _choose(request: HttpRequest, principal: Principal) -> HttpResponse:
    organizations = selectors.organizations(principal)
    if organizations:
        return _message(request, "Which school?", "You belong to several.", organizations=organizations)
    text = "You belong to no school here. Ask an admin of your school to add you."
    return _message(request, "No school yet", text)


def _message(request: HttpRequest, heading: str, text: str, **more: object) -> HttpResponse:
    return render(request, "portal/message.html", {"heading": heading, "text": text, **more})


def _sign_in_form(request: HttpRequest, target: str, email: str = "", error: str = "") -> HttpResponse:
    return render(request, "portal/login.html", {"next": target, "email": email, "error": error})


def _code_form(request: HttpRequest, target: str, challenge: str, error: str = "") -> HttpResponse:
    return render(request, "portal/second_factor.html", {"next": target, "challenge": challenge, "error": error})


def _next(request: HttpRequest) -> str:
    """Return the page to open after signing in, always on this host."""
    named = request.POST.get("next") or request.GET.get("next") or ""
    return own_page(request, named) or reverse("portal:board")
