"""Retention of expired sign-ins, tokens and challenges. The address of last use is deleted with the sign-in."""

from typing import Final

from django.contrib.sessions.models import Session

from apps.accounts.models import Proof, RefreshToken, SignIn, SignInChallenge
from apps.common.limits import PROOFS
from apps.common.retention import Rows, delete_before

RULES: Final = tuple(
    Rows(
        subject=subject,
        kept=PROOFS.window,
        since="it expired",
        source="ours: it authenticates nobody, and messages of the last hour are still counted",
        forget=delete_before(model, field),
    )
    for subject, model, field in (
        ("sign_ins", SignIn, "expires_at"),
        ("refresh_tokens", RefreshToken, "expires_at"),
        ("sign_in_challenges", SignInChallenge, "expires_at"),
        ("proofs", Proof, "expires_at"),
        ("sessions", Session, "expire_date"),
    )
)
