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
