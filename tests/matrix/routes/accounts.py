from tests.matrix.entry import At, Entry
from tests.matrix.things import PASSWORD

ENTRIES = [
    Entry(
        "POST",
        "/api/v1/auth/login",
        at=At.OPEN,
        body=lambda things: {"email": things["email"], "password": PASSWORD},
        changes="auth.login",
    ),
    Entry(
        "POST",
        "/api/v1/auth/login/second-factor",
        at=At.OPEN,
        ok=401,
        body=lambda _: {"challenge": "unknown", "code": "000000"},
    ),
    Entry("POST", "/api/v1/me/confirmation", at=At.SELF, ok=403, body=lambda _: {"password": "not known here"}),
    Entry("GET", "/api/v1/me/mfa", at=At.SELF),
    # Nothing of these without X-Confirmation: the rest is in tests/accounts/test_second_factors.py.
    Entry("POST", "/api/v1/me/mfa/totp", at=At.SELF, ok=403),
    Entry("PUT", "/api/v1/me/mfa/totp", at=At.SELF, ok=400, body=lambda _: {"enrolment": "unknown", "code": "000000"}),
    Entry("DELETE", "/api/v1/me/mfa/totp", at=At.SELF, ok=403),
    Entry("POST", "/api/v1/me/mfa/passkeys", at=At.SELF, ok=403),
    Entry(
        "PUT",
        "/api/v1/me/mfa/passkeys",
        at=At.SELF,
        ok=400,
        body=lambda _: {"enrolment": "unknown", "name": "Phone", "credential": {}},
    ),
    Entry("DELETE", "/api/v1/me/mfa/passkeys/{some_number}", at=At.SELF, ok=403),
    Entry("POST", "/api/v1/me/mfa/recovery-codes", at=At.SELF, ok=403),
    Entry("POST", "/api/v1/auth/refresh", at=At.OPEN, body=lambda things: {"refresh": things["refresh_token"]}),
    Entry(
        "POST",
        "/api/v1/auth/logout",
        at=At.OPEN,
        ok=204,
        body=lambda things: {"refresh": things["refresh_token"]},
        changes="auth.logout",
    ),
]
