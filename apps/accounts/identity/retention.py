"""Retention of expired sign-ins, tokens and challenges."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.models import Session
from django.db.models import Model

from apps.accounts.models import Proof, RefreshToken, SignIn, SignInChallenge
from apps.common.retention import delete_some

KEPT: Final = timedelta(hours=1)
"""How long rows are kept after they expire: messages of the last hour are still counted."""
EXPIRING: Final[Mapping[str, tuple[type[Model], str]]] = {
    "sign_ins": (SignIn, "expires_at"),
    "refresh_tokens": (RefreshToken, "expires_at"),
    "sign_in_challenges": (SignInChallenge, "expires_at"),
    "proofs": (Proof, "expires_at"),
    "sessions": (Session, "expire_date"),
}
"""Model, and the field with the time at which a row expires. The address of last use is deleted with the sign-in."""


def forget_expired(what: str, *, now: datetime, limit: int) -> int:
    """Delete at most `limit` rows of a key of EXPIRING that expired longer ago than KEPT; return how many. Runs in
    the system scope.
    """
    model, field = EXPIRING[what]
    rows = model._default_manager.using("system").filter(**{f"{field}__lt": now - KEPT})
    return delete_some(rows, limit=limit)
