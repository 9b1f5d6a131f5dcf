"""What signing in leaves behind, and for how long it is kept."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from django.contrib.sessions.models import Session
from django.db.models import Model

from apps.accounts.models import Proof, RefreshToken, SignIn, SignInChallenge
from apps.common.retention import delete_some

KEPT: Final = timedelta(hours=1)
"""After it has expired: the messages of the last hour are counted."""
EXPIRING: Final[Mapping[str, tuple[type[Model], str]]] = {
    "sign_ins": (SignIn, "expires_at"),
    "refresh_tokens": (RefreshToken, "expires_at"),
    "sign_in_challenges": (SignInChallenge, "expires_at"),
    "proofs": (Proof, "expires_at"),
    "sessions": (Session, "expire_date"),
}
"""Model, and the field that says when a row has expired. A sign-in takes along from where it was used."""


def forget_expired(what: str, *, now: datetime, limit: int) -> int:
    """Delete rows of a key of EXPIRING that expired longer ago than KEPT; how many, at most `limit`. In the system
    scope.
    """
    model, field = EXPIRING[what]
    rows = model._default_manager.using("system").filter(**{f"{field}__lt": now - KEPT})
    return delete_some(rows, limit=limit)
