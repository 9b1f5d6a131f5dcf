"""One line for each route and method: what right it asks for, where, and what is answered to who has it.

    Entry("POST", "/api/v1/buildings/{building}/floors", "places:create", At.BUILDING, ok=201,
          body=lambda things: {"floor_number": number()}, changes="floor.created")

Words in braces are made by `things.py`, in the school that is asked about. Everything else is computed: nobody is
answered 401, a stranger 404, who is known and has no right 403, who has it `ok`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.matrix.things import Things

Body = Mapping[str, object] | str | bytes


class At(Enum):
    """What a route is about, which says where its right must be held."""

    ORGANIZATION = "the whole organization: not for who may act at some of its places only"
    SITE = "a site, of which who may act at one of its buildings only has no more than that building"
    BUILDING = "what is in the school's first building: for who may act there"
    ELSEWHERE = "a place of the school away from its first building: not there for who may act at that building only"
    LIST = "a list that holds what the caller may see: for who may anywhere in the organization"
    PLATFORM = "what super admins do outside of schools: their right counts without a visit"
    TENANT = "an organization itself: for its own people with the right, and for super admins without a visit"
    ANOTHER = "an organization that none of the callers belongs to: it is there for super admins alone"
    OPERATORS = "what is the platform's and no school's: for super admins alone, and a secret to nobody"
    SELF = "the caller's own things: for everybody of the entry's kinds"
    OPEN = "what asks for no credential"


@dataclass(frozen=True)
class But:
    """An answer that the role table does not tell."""

    status: int
    reason: str


@dataclass(frozen=True)
class Entry:
    """A route with a method, as the matrix asks it."""

    method: str
    path: str
    """With a query where it needs one: `/api/v1/alerts?organization={organization}`."""
    right: str = ""
    """`resource:action` of the role table; several with `|`, of which one is enough. Empty at SELF and OPEN."""
    at: At = At.ORGANIZATION
    ok: int = 200
    body: Callable[[Things], Body] | None = None
    """JSON; text or bytes are sent as `content_type`."""
    content_type: str = "application/json"
    headers: Callable[[Things], Mapping[str, str]] | None = None
    changes: str | Sequence[str] = ()
    """The actions in the audit trail of one such request, each exactly once. None of them for a read."""
    rows: str = ""
    """For a list: the word in `things.py` that makes one more row of it."""
    months: int = 1
    """For what is no list: of how many months a table is looked through for it."""
    kinds: frozenset[str] = frozenset({"person"})
    """At SELF: for which kinds of callers."""
    uses_caller: bool = False
    """Whoever does this is somebody else afterwards (gone, signed out, with more rights): each is made anew for it."""
    repeats_what_was_typed: bool = False
    """It tells what the school's own people or gateway named before, in attempts that came to nothing."""
    is_page: bool = False
    """A page for people: it says a refusal in words, with its `ok`, and sends nobody to the sign-in."""
    but: Mapping[str, But] = field(default_factory=dict)
    """Exceptions, by the beginning of a caller's name ("viewer", "viewer of the school")."""

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
        """A page of Django's admin: refused like the API, in words, but that nobody is sent to the sign-in."""
        return self.path.startswith("/admin/")

    @property
    def names_organization(self) -> bool:
        """Whether the path leads into a school, so that a stranger must not learn that it is there."""
        return "{" in self.path and self.at is not At.OPERATORS
