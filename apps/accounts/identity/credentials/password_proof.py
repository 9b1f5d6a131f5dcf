"""The present password as a proof that it is the person who asks for a change of their account."""

from apps.accounts.identity.credentials.throttle import LoginThrottle
from apps.accounts.models import User
from apps.common.access import Principal
from apps.common.problems import Conflict, Forbidden


class WrongPassword(Forbidden):
    """The account's present password is asked for as a proof, and this is not it."""

    code = "wrong_password"
    default_detail = "This is not your password."

    def __init__(self, field: str = "current_password") -> None:
        super().__init__(errors={field: ["Not your present password."]})


class NoPassword(Conflict):
    """The account has no password that could be asked for as a proof: its owner signs in otherwise."""

    code = "no_password"
    default_detail = "Your account has no password: set one first, by the link that a forgotten one is replaced with."


def prove(user: User, *, password: str, principal: Principal, address: str) -> None:
    """Hold a change of the account to who knows its password, slowly for who guesses.

    Guesses are counted for the sign-in that asks, so that those of others slow nobody down.

    Raises NoPassword, WrongPassword, TooManyGuesses.
    """
    if not user.has_password:
        raise NoPassword()
    throttle = LoginThrottle(account=user.email, address=address, device=str(principal.sign_in))
    throttle.hit()
    if not user.check_password(password):
        raise WrongPassword()
    throttle.clear()
