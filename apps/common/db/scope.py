"""Tenant scopes: one transaction, limited to a set of organizations by PostgreSQL itself.

Every read and write of tenant data happens inside `tenant_scope` (role app, limited by row-level security) or, for the
relay, the sweeps and the partition keeper, inside `system_scope` (role system, every organization). Managers refuse
queries outside of both.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db import connections, models, transaction


class ScopeError(RuntimeError):
    """Tenant data was accessed outside a scope, or a scope was opened inside another."""


@dataclass(slots=True)
class FeedRows:
    """A query whose rows (organization_id, kind, audience, site_id, building_id, payload) enter the feed at commit."""

    sql: str
    params: list[Any]


@dataclass(slots=True)
class Scope:
    """The open scope. `organizations` is None in the system scope: all of them."""

    alias: str
    organizations: frozenset[UUID] | None
    feed: list[FeedRows] = field(default_factory=list)


class Outbox(Protocol):
    """Writes the queued rows of a scope; `apps.common.feed` registers its own."""

    def append(self, alias: str, queued: Sequence[FeedRows]) -> None:
        """Write the queued rows, by the last statement of the transaction."""
        ...

    def committed(self) -> None:
        """Handle the commit of the transaction that wrote the rows."""
        ...


_current: ContextVar[Scope | None] = ContextVar("scope", default=None)
_outbox: Outbox


def register_outbox(outbox: Outbox) -> None:
    """Register the outbox; called once, by the only package that queues in scopes."""
    global _outbox  # noqa: PLW0603
    _outbox = outbox


def current_scope() -> Scope:
    """Return the open scope. Raises ScopeError if there is none."""
    scope = _current.get()
    if scope is None:
        raise ScopeError("No tenant scope is open: wrap this in tenant_scope(...) or system_scope().")
    return scope


@contextmanager
def tenant_scope(organizations: Iterable[UUID]) -> Iterator[Scope]:
    """Open a transaction in which only rows of these organizations are visible.

    The feed is written last, just before COMMIT, so that the order of commits is the order of the feed.
    """
    scope = Scope(alias="default", organizations=frozenset(organizations))
    with _open(scope):
        yield scope


@contextmanager
def system_scope() -> Iterator[Scope]:
    """Open a transaction over every organization, as the role `system`: only for work that belongs to no tenant."""
    with _open(Scope(alias="system", organizations=None)) as scope:
        yield scope


def widen_scope(organizations: Iterable[UUID]) -> None:
    """Add organizations to the open scope in which the caller has proved a right other than a grant.

    For the founder of an organization, the holder of an invitation, and a person's own data in organizations that they
    no longer belong to.
    """
    scope = current_scope()
    if scope.organizations is not None:
        scope.organizations |= frozenset(organizations)
        _set_visible_organizations(scope)


@contextmanager
def savepoint() -> Iterator[None]:
    """Roll back the block, in the open scope, if it fails, including what it announced."""
    scope = current_scope()
    queued = [(rows, [len(param) if isinstance(param, list) else None for param in rows.params]) for rows in scope.feed]
    try:
        with transaction.atomic(using=scope.alias):
            yield
    except BaseException:
        del scope.feed[len(queued) :]
        for rows, lengths in queued:
            for param, length in zip(rows.params, lengths, strict=True):
                if length is not None:
                    del param[length:]
        raise


@contextmanager
def rolled_back_if(dry_run: bool) -> Iterator[None]:
    """In a dry run, roll back the block, in the open scope, after all checks have run."""
    scope = current_scope()
    queued = len(scope.feed)
    with transaction.atomic(using=scope.alias):
        yield
        if dry_run:
            transaction.set_rollback(True, using=scope.alias)
            del scope.feed[queued:]


@contextmanager
def _open(scope: Scope) -> Iterator[Scope]:
    if _current.get() is not None:
        raise ScopeError("A scope is already open here: scopes do not nest.")
    connection = connections[scope.alias]
    token = _current.set(scope)
    try:
        with transaction.atomic(using=scope.alias, durable=True):
            if scope.organizations is not None:
                _set_visible_organizations(scope)
            yield scope
            announced = bool(scope.feed) and not connection.get_rollback()
            if announced:
                _outbox.append(scope.alias, scope.feed)
        if announced:
            _outbox.committed()
    finally:
        _current.reset(token)


def _set_visible_organizations(scope: Scope) -> None:
    """Set the organizations that row-level security admits until the end of the transaction."""
    ids = ",".join(sorted(str(organization) for organization in scope.organizations or ()))
    with connections[scope.alias].cursor() as cursor:
        cursor.execute("SELECT set_config('safesignal.organizations', %s, true)", [f"{{{ids}}}"])


M = TypeVar("M", bound=models.Model)


class TenantManager(models.Manager[M]):
    """Refuses queries without a scope, and filters by organization, which row-level security enforces again."""

    organization_field = "organization_id"

    def get_queryset(self) -> models.QuerySet[M]:
        """Return the rows of the open scope. Raises ScopeError if none is open."""
        scope = current_scope()
        queryset = super().get_queryset().using(scope.alias)
        if scope.organizations is None:
            return queryset
        return queryset.filter(**{f"{self.organization_field}__in": scope.organizations})
