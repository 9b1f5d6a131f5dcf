"""The current password as proof that the account's owner requests a change."""

from apps.accounts.identity.credentials.throttle import LoginThrottle
from apps.accounts.models import User
from apps.common.access import Principal
from apps.common.problems import Conflict, Forbidden


class WrongPassword(Forbidden):
    """The password is not the account's current password."""

    code = "wrong_password"
    default_detail = "This is not your password."

    def __init__(self, field: str = "current_password") -> None:
        super().__init__(errors={field: ["Not your present password."]})


class NoPassword(Conflict):
    """The account has no password to confirm a change with: its owner signs in another way."""

    code = "no_password"
    default_detail = "Your account has no password: set one first with a password reset link."


def prove(user: User, *, password: str, principal: Principal, address: str) -> None:
    """Require the account's password for a change, with a growing wait after wrong guesses.

    Guesses are counted for the caller's sign-in, so that guesses made elsewhere do not slow down the owner.

    Raises NoPassword, WrongPassword, TooManyGuesses.
    """
    if not user.has_password:
        raise NoPassword()
    throttle = LoginThrottle(account=user.email, address=address, device=str(principal.sign_in))
    throttle.hit()
    if not user.check_password(password):
        raise WrongPassword()
    throttle.clear()
