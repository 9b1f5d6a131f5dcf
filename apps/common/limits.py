"""Rate limits: the only table of how often a caller may do what. `docs/operations.md` lists them.

Whatever raises, shows or answers an alarm is counted nowhere. A limit slows down programs and strangers, and is far
above what people do: a whole school may share one address.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Per(StrEnum):
    """What a limit is counted for. The values are part of counter keys and of response headers."""

    USER = "user"
    """A signed-in person or service."""
    ORGANIZATION = "organization"
    """All signed-in people and services of an organization."""
    ADDRESS = "address"
    """The address of an anonymous caller, or the device if somebody has signed in on it before."""
    SOURCE = "source"
    """The address of a caller; for messages, the device if somebody has signed in on it before."""
    SCHOOL = "school"
    """The organization in whose name a message is sent."""
    RECIPIENT = "recipient"
    """The address or number that a message is sent to."""
    PURPOSE = "purpose"
    """A person and a purpose, such as a forgotten password."""
    DEVICE = "device"
    """An account on a device on which it has signed in before; guesses from there count for nothing else."""
    PAIR = "pair"
    """An account at an address."""
    ACCOUNT = "account"
    """An account from everywhere."""


class Message(StrEnum):
    """Messages that a person can have sent to an address or number of their choice."""

    OPEN_REGISTRATION = "open_registration"
    INVITATION = "invitation"
    FORGOTTEN_PASSWORD = "forgotten_password"  # noqa: S105 (the name of a message)
    NEW_ADDRESS = "new_address"
    PHONE_CODE = "phone_code"
    DAY_CODE = "day_code"


class Guess(StrEnum):
    """Secrets that people type, and strangers guess."""

    PASSWORD = "password"  # noqa: S105 (the name of a secret)
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` times within `window`, counted for each `per`; `reason` says why it is this figure."""

    what: str
    per: Per
    count: int
    window: timedelta
    reason: str

    @property
    def seconds(self) -> int:
        """The window in seconds."""
        return int(self.window.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimit(Limit):
    """A limit of requests below /api/; the environment variable overrides its count."""

    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessLimit(Limit):
    """`count` wrong answers are free; the waits after further ones are 1, 2, 4 … seconds, up to `longest_wait`.

    Counts are deleted when there was no wrong answer for `window`.
    """

    longest_wait: int
    """In seconds."""


REQUESTS: Final = (
    RequestLimit(
        "requests",
        Per.USER,
        600,
        MINUTE,
        "a runaway program; no person sends ten a second",
        variable="SAFESIGNAL_RATE_LIMIT_USER",
    ),
    RequestLimit(
        "requests",
        Per.ORGANIZATION,
        30_000,
        MINUTE,
        "one school leaves room for others",
        variable="SAFESIGNAL_RATE_LIMIT_ORGANIZATION",
    ),
    RequestLimit(
        "requests",
        Per.ADDRESS,
        6_000,
        MINUTE,
        "a whole school signs in from one address",
        variable="SAFESIGNAL_RATE_LIMIT_ADDRESS",
    ),
)

_REGISTRATION: Final = "anonymous: a few colleagues at a time; a school that registers everyone imports or invites them"
_INVITATION: Final = "an admin, named in the audit trail: a whole district in one table, and its dry run"
_FORGOTTEN: Final = "anonymous, but only accounts get mail: a thousand people behind one address on a first day"
_NEW_ADDRESS: Final = "a signed-in person who has confirmed their password"
_PHONE: Final = "a signed-in person; each message costs the platform money"
_DAY: Final = "an admin, for substitutes"

MESSAGES: Final = (
    Limit(Message.OPEN_REGISTRATION, Per.SOURCE, 10, 10 * MINUTE, _REGISTRATION),
    Limit(Message.OPEN_REGISTRATION, Per.SOURCE, 40, DAY, _REGISTRATION),
    Limit(Message.OPEN_REGISTRATION, Per.SCHOOL, 30, 10 * MINUTE, _REGISTRATION),
    Limit(Message.OPEN_REGISTRATION, Per.SCHOOL, 200, DAY, _REGISTRATION),
    Limit(Message.INVITATION, Per.SCHOOL, 20_000, DAY, _INVITATION),
    Limit(Message.INVITATION, Per.RECIPIENT, 10, HOUR, _INVITATION),
    Limit(Message.FORGOTTEN_PASSWORD, Per.SOURCE, 300, HOUR, _FORGOTTEN),
    Limit(Message.FORGOTTEN_PASSWORD, Per.SOURCE, 1_500, DAY, _FORGOTTEN),
    Limit(Message.FORGOTTEN_PASSWORD, Per.SCHOOL, 2_000, HOUR, _FORGOTTEN),
    Limit(Message.NEW_ADDRESS, Per.SOURCE, 60, HOUR, _NEW_ADDRESS),
    Limit(Message.NEW_ADDRESS, Per.SCHOOL, 500, HOUR, _NEW_ADDRESS),
    Limit(Message.NEW_ADDRESS, Per.RECIPIENT, 10, HOUR, _NEW_ADDRESS),
    Limit(Message.PHONE_CODE, Per.SCHOOL, 500, HOUR, _PHONE),
    Limit(Message.PHONE_CODE, Per.RECIPIENT, 10, HOUR, _PHONE),
    Limit(Message.DAY_CODE, Per.SCHOOL, 500, DAY, _DAY),
    Limit(Message.DAY_CODE, Per.RECIPIENT, 10, HOUR, _DAY),
)
"""Counted when they are requested (`apps/accounts/mail/budgets.py`)."""

REGISTRATION_ANSWERS: Final = Limit(
    "registration_answer",
    Per.RECIPIENT,
    1,
    HOUR,
    "to an address that has an account or an invitation, whoever requested it",
)
PROOFS: Final = Limit(
    "proof", Per.PURPOSE, 3, HOUR, "links and codes to oneself: requests by others do not fill the owner's mailbox"
)

_OWNER: Final = "the owner mistypes; strangers do not share this count"
_PASSWORD: Final = "slows down guessing, and never locks the owner out"  # noqa: S105 (a reason)
_CODE: Final = "six digits only, after a right password: a hundred guesses a day"
_SHARED: Final = "a whole school shares the address"

GUESSES: Final = (
    GuessLimit(Guess.PASSWORD, Per.DEVICE, 10, HOUR, _OWNER, longest_wait=30),
    GuessLimit(Guess.PASSWORD, Per.PAIR, 10, HOUR, _PASSWORD, longest_wait=30),
    GuessLimit(Guess.PASSWORD, Per.ACCOUNT, 50, HOUR, _PASSWORD, longest_wait=30),
    GuessLimit(Guess.PASSWORD, Per.SOURCE, 300, HOUR, _SHARED, longest_wait=5),
    GuessLimit(Guess.CODE, Per.DEVICE, 10, HOUR, _OWNER, longest_wait=60),
    GuessLimit(Guess.CODE, Per.PAIR, 5, HOUR, _CODE, longest_wait=900),
    GuessLimit(Guess.CODE, Per.ACCOUNT, 10, HOUR, _CODE, longest_wait=900),
    GuessLimit(Guess.CODE, Per.SOURCE, 300, HOUR, _SHARED, longest_wait=5),
)

LIMITS: Final[tuple[Limit, ...]] = (*REQUESTS, *MESSAGES, REGISTRATION_ANSWERS, PROOFS, *GUESSES)
