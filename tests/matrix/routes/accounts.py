from tests.matrix.entry import At, But, Entry
from tests.matrix.things import PASSWORD, in_a_year, word

ENTRIES = [
    Entry(
        "POST",
        "/api/v1/auth/login",
        at=At.OPEN,
        body=lambda things: {"email": things["email"], "password": PASSWORD},
        changes="auth.login",
    ),
    Entry("POST", "/api/v1/auth/refresh", at=At.OPEN, body=lambda things: {"refresh": things["refresh_token"]}),
    Entry(
        "POST",
        "/api/v1/auth/logout",
        at=At.OPEN,
        ok=204,
        body=lambda things: {"refresh": things["refresh_token"]},
        changes="auth.logout",
    ),
    Entry("POST", "/api/v1/auth/logout-all", at=At.SELF, ok=204, changes="auth.logout_all", uses_caller=True),
    Entry("GET", "/api/v1/me/sessions", at=At.SELF, rows="sign_in_of_everybody"),
    Entry("DELETE", "/api/v1/me/sessions/{sign_in_of_everybody}", at=At.SELF, ok=404),
    Entry(
        "GET",
        "/api/v1/organizations/{organization}/service-tokens",
        "service_tokens:read",
        rows="service_token",
    ),
    Entry(
        "POST",
        "/api/v1/organizations/{organization}/service-tokens",
        "service_tokens:create",
        ok=201,
        body=lambda things: {"name": word(), "scopes": ["places:read"], "expires_at": in_a_year(things)},
        changes="service_token.created",
        but={"super admin with a visit": But(403, "a token would outlive the visit")},
    ),
    Entry(
        "DELETE",
        "/api/v1/organizations/{organization}/service-tokens/{service_token}",
        "service_tokens:delete",
        ok=204,
        changes="service_token.withdrawn",
    ),
]
