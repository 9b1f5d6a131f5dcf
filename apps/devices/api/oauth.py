"""OAuth 2.0 token endpoint of gateways: client_credentials with private_key_jwt (RFC 6749, 4.4; RFC 7523, 2.2)."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from apps.common.http.endpoints import exempt_from_rate_limit, public_endpoint
from apps.common.problems import Invalid, MethodNotAllowed, Problem, problem_response
from apps.devices.gateways import authentication

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class UnsupportedGrant(Invalid):
    """The endpoint does not support this grant type."""

    code = "unsupported_grant_type"
    default_detail = f"Send grant_type=client_credentials and client_assertion_type={ASSERTION_TYPE}."


@exempt_from_rate_limit
@public_endpoint
@csrf_exempt
def token(request: HttpRequest) -> HttpResponse:
    """Exchange a gateway's assertion for an access token."""
    try:
        if request.method != "POST":
            raise MethodNotAllowed()
        if (
            request.POST.get("grant_type") != "client_credentials"
            or request.POST.get("client_assertion_type") != ASSERTION_TYPE
        ):
            raise UnsupportedGrant()
        access = authentication.exchange_assertion(request.POST.get("client_assertion", ""), now=timezone.now())
    except Problem as problem:
        return problem_response(problem)
    response = JsonResponse(
        {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(authentication.TOKEN_LIFETIME.total_seconds()),
        }
    )
    response["Cache-Control"] = "no-store"
    return response
