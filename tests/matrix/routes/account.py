from typing import Final

from tests.matrix.entry import At, But, Entry
from tests.matrix.own_things import invitation_secret  # noqa: F401 (makes the words)
from tests.matrix.things import PASSWORD, word

NO_PASSWORD: Final = {"current_password": PASSWORD}
"""The callers of the matrix have no password, so none of their data changes by this proof; see tests/accounts."""
SIGNED_OUT: Final = {"anonymous": But(401, "no credential")}
NOT_A_PERSON: Final = dict.fromkeys(("gateway", "service"), But(403, "only people have accounts"))

ENTRIES = [
    Entry(
        "POST",
        "/api/v1/auth/register",
        at=At.OPEN,
        ok=201,
        body=lambda things: {
            "token": things["invitation_secret"],
            "password": PASSWORD,
            "first_name": "Nora",
            "last_name": "New",
        },
        changes=("user.created", "membership.added"),
    ),
    Entry(
        "POST",
        "/api/v1/auth/invitations/accept",
        at=At.SELF,
        ok=409,
        body=lambda things: {"token": things["invitation_secret"]},
    ),
    Entry(
        "POST",
        "/api/v1/auth/password/forgot",
        at=At.OPEN,
        ok=202,
        body=lambda things: {"email": things["email"]},
    ),
    Entry(
        "POST",
        "/api/v1/auth/password/reset",
        at=At.OPEN,
        ok=204,
        body=lambda things: {"token": things["reset_secret"], "password": f"another {PASSWORD}"},
        changes="account.password_reset",
    ),
    Entry(
        "POST",
        "/api/v1/auth/email/verify",
        at=At.OPEN,
        ok=204,
        body=lambda things: {"token": things["email_secret"]},
        changes="account.email_changed",
    ),
    Entry("GET", "/api/v1/me", at=At.SELF),
    Entry("PATCH", "/api/v1/me", at=At.SELF, body=lambda _: {"locale": "en-US"}, changes="account.updated"),
    Entry("DELETE", "/api/v1/me", at=At.SELF, ok=409, body=lambda _: NO_PASSWORD),
    Entry(
        "POST", "/api/v1/me/password", at=At.SELF, ok=409, body=lambda _: NO_PASSWORD | {"password": f"my {PASSWORD}"}
    ),
    Entry(
        "POST",
        "/api/v1/me/email",
        at=At.SELF,
        ok=409,
        body=lambda _: NO_PASSWORD | {"email": f"{word()}@school.example"},
    ),
    Entry("POST", "/api/v1/me/phone", at=At.SELF, ok=409, body=lambda _: {"phone": "+12025550123"}),
    Entry("DELETE", "/api/v1/me/phone", at=At.SELF, ok=204),
    Entry(
        "POST",
        "/api/v1/me/phone/verify",
        at=At.SELF,
        ok=400,
        body=lambda things: {"verification": things["organization"], "code": "123456"},
    ),
    Entry("GET", "/api/v1/me/devices", at=At.SELF, rows="push_registration"),
    Entry(
        "POST",
        "/api/v1/me/devices",
        at=At.SELF,
        ok=201,
        body=lambda _: {"token": word(), "platform": "web", "app_version": "1"},
        changes="push.registered",
    ),
    Entry(
        "DELETE",
        "/api/v1/me/devices/{push_registration}",
        at=At.SELF,
        but={**SIGNED_OUT, **NOT_A_PERSON, "": But(404, "it belongs to another person")},
    ),
    Entry("GET", "/api/v1/me/export", at=At.SELF),
]
