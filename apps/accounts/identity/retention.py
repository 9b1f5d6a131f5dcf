"""What sign-ins leave behind, and for how long it is kept."""

from datetime import datetime

from apps.accounts.models import RefreshToken, SignIn


def forget_over_sign_ins(*, now: datetime, limit: int) -> int:
    """Delete sign-ins that are over by themselves, and with them from where they were used; how many, at most `limit`.

    In the system scope.
    """
    over = SignIn.objects.using("system").filter(expires_at__lt=now)
    chosen = list(over.values_list("pk", flat=True)[:limit])
    _, deleted = SignIn.objects.using("system").filter(pk__in=chosen).delete()
    return deleted.get(SignIn._meta.label, 0)


def forget_over_refresh_tokens(*, now: datetime, limit: int) -> int:
    """Delete refresh tokens that no sign-in can go on with any more; how many, at most `limit`. In the system scope."""
    over = RefreshToken.objects.using("system").filter(expires_at__lt=now)
    chosen = list(over.values_list("pk", flat=True)[:limit])
    return RefreshToken.objects.using("system").filter(pk__in=chosen).delete()[0]
