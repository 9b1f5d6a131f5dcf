"""The page to set up a second factor, which is also the redirect target of accounts that require one."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods

from apps.accounts.identity import selectors
from apps.accounts.identity.credentials.password_proof import WrongPassword
from apps.accounts.identity.documents import EnrolmentDocument
from apps.accounts.identity.second_factors import authenticators
from apps.accounts.identity.second_factors import services as second_factors
from apps.accounts.identity.second_factors.services import SecondFactorExists
from apps.common.access import Principal, second_factor_due
from apps.common.http.browsers.redirects import own_page
from apps.common.http.callers.addresses import address_of
from apps.common.problems import Forbidden, Invalid, TooManyRequests
from apps.portal import security
from apps.portal.views import signed_in

TEMPLATE: Final = "portal/set_up_second_factor.html"
WRONG_CODE: Final = "This is not the current code of the app. Wait for the next one, and type that."
TOO_LATE: Final = "This took too long: start again."


@security.page
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def set_up(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Set up an authenticator app with the password and a first code, then show the recovery codes once."""
    try:
        if "enrolment" in request.POST:
            return _finish(request, principal)
        if "password" in request.POST:
            return _begin(request, principal)
        return _first(request, principal)
    except Forbidden as refusal:
        return render(request, "portal/message.html", {"heading": "Second factor", "text": refusal.detail})


def _first(request: HttpRequest, principal: Principal, error: str = "") -> HttpResponse:
    held = selectors.second_factors(principal)
    return _page(request, principal, step="password", has_app=held.totp is not None, held=held, error=error)


def _begin(request: HttpRequest, principal: Principal) -> HttpResponse:
    now = timezone.now()
    try:
        confirmation = second_factors.confirm(
            principal=principal, password=request.POST["password"], address=address_of(request), now=now
        )
        begun = second_factors.start_totp(principal=principal, confirmation=confirmation, now=now)
    except WrongPassword:
        return _first(request, principal, "This is not your password.")
    except TooManyRequests as refusal:
        return _first(request, principal, f"{refusal.detail} ({refusal.retry_after} seconds)")
    except SecondFactorExists:
        return _first(request, principal)
    return _scan(request, principal, begun)


def _finish(request: HttpRequest, principal: Principal) -> HttpResponse:
    enrolment, code, now = request.POST["enrolment"], request.POST.get("code", "").strip(), timezone.now()
    try:
        codes = second_factors.finish_totp(principal=principal, enrolment=enrolment, code=code, now=now)
    except SecondFactorExists:
        return _first(request, principal)
    except Invalid:
        begun = second_factors.begun_totp(principal=principal, enrolment=enrolment, now=now)
        return _scan(request, principal, begun, WRONG_CODE) if begun else _first(request, principal, TOO_LATE)
    return _page(request, principal, step="done", codes=codes)


def _scan(request: HttpRequest, principal: Principal, begun: EnrolmentDocument, error: str = "") -> HttpResponse:
    picture = mark_safe(authenticators.totp_picture(begun.address))  # noqa: S308 -- made here from our own address
    return _page(request, principal, step="code", begun=begun, picture=picture, error=error)


def _page(request: HttpRequest, principal: Principal, **context: object) -> HttpResponse:
    target = own_page(request, request.POST.get("next") or request.GET.get("next") or "") or reverse("portal:board")
    return render(request, TEMPLATE, {"next": target, "is_asked": second_factor_due(principal), **context})
