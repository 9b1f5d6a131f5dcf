"""One line for each route and method: the required right, where it must be held, and the response to callers with it.

    Entry("POST", "/api/v1/buildings/{building}/floors", "places:create", At.BUILDING, ok=201,
          body=lambda things: {"floor_number": number()}, changes="floor.created")

Words in braces are made by `things.py`, in the school that is asked about. Everything else is computed: anonymous
callers get 401, strangers 404, members without the right 403, and callers with it `ok`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.matrix.things import Things

Body = Mapping[str, object] | str | bytes


class At(Enum):
    """The object of a route, which determines where its right must be held."""

    ORGANIZATION = "the whole organization: the right at some of its places is not enough"
    SITE = "a site: with the right at one of its buildings, only that building is accessible"
    BUILDING = "something in the school's first building: the right there is enough"
    ELSEWHERE = "a place outside the school's first building: not found with the right at that building only"
    LIST = "a list of everything visible to the caller: the right anywhere in the organization is enough"
    PLATFORM = "an action of super admins outside of schools: their right counts without a visit"
    TENANT = "an organization itself: for its own people with the right, and for super admins without a visit"
    ANOTHER = "an organization that none of the callers belongs to: found by super admins only"
    OPERATORS = "a resource of the platform and of no school: for super admins only, but its existence is no secret"
    SELF = "the caller's own data: for every caller of the entry's kinds"
    OPEN = "a public endpoint"


@dataclass(frozen=True)
class But:
    """A response that the role table does not determine."""

    status: int
    reason: str


@dataclass(frozen=True)
class Entry:
    """A route with a method, as the matrix requests it."""

    method: str
    path: str
    """With a query where it needs one: `/api/v1/alerts?organization={organization}`."""
    right: str = ""
    """`resource:action` of the role table; alternatives are separated by `|`. Empty at SELF and OPEN."""
    at: At = At.ORGANIZATION
    ok: int = 200
    body: Callable[[Things], Body] | None = None
    """JSON; text or bytes are sent as `content_type`."""
    content_type: str = "application/json"
    headers: Callable[[Things], Mapping[str, str]] | None = None
    changes: str | Sequence[str] = ()
    """The audit actions of one such request, each exactly once. Empty for a read."""
    rows: str = ""
    """For a list: the word in `things.py` that creates one more row of it."""
    months: int = 1
    """For other reads: the number of months of a table that may be searched."""
    kinds: frozenset[str] = frozenset({"person"})
    """At SELF: the kinds of callers that have access."""
    uses_caller: bool = False
    """The request changes the caller (deleted, signed out, with more rights): a new caller is created for each one."""
    repeats_what_was_typed: bool = False
    """The response repeats names that the school's own people or gateway used in earlier failed attempts."""
    is_page: bool = False
    """A page for people: it displays a refusal as text with its `ok` status, and never redirects to the sign-in."""
    but: Mapping[str, But] = field(default_factory=dict)
    """Exceptions, by the prefix of a caller's name ("viewer", "viewer of the school")."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def rights(self) -> frozenset[str]:
        return frozenset(self.right.split("|")) if self.right else frozenset()

    @property
    def expected_changes(self) -> list[str]:
        return [self.changes] if isinstance(self.changes, str) else sorted(self.changes)

    @property
    def is_admin(self) -> bool:
        """Whether this is a page of Django's admin: refused like the API, as text, but never redirected to sign-in."""
        return self.path.startswith("/admin/")

    @property
    def names_organization(self) -> bool:
        """Whether the path refers to a school, so that a stranger must not learn that it exists."""
        return "{" in self.path and self.at is not At.OPERATORS
