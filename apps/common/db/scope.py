"""Whose rows a piece of work may touch: one transaction, one set of organizations, held by PostgreSQL itself.

Every read and write of tenant data happens inside `tenant_scope` (role app: what row-level security lets through)
or, for the relay, the sweeps and the partition keeper, inside `system_scope` (role system: every organization).
Managers refuse a query outside of both.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db import connections, models, transaction


class ScopeError(RuntimeError):
    """Tenant data was touched outside a scope, or a scope was opened inside another."""


@dataclass(slots=True)
class FeedRows:
    """A query whose rows (organization_id, kind, audience, site_id, building_id, payload) join the feed at commit."""

    sql: str
    params: list[Any]


@dataclass(slots=True)
class Scope:
    """The open scope. `organizations` is None in the system scope: all of them."""

    alias: str
    organizations: frozenset[UUID] | None
    feed: list[FeedRows] = field(default_factory=list)


class Outbox(Protocol):
    """Writes what was queued in a scope; `apps.common.feed` registers itself."""

    def append(self, alias: str, queued: Sequence[FeedRows]) -> None:
        """Write it, by the last statement of the transaction."""
        ...

    def committed(self) -> None:
        """The transaction that wrote it was committed."""
        ...


_current: ContextVar[Scope | None] = ContextVar("scope", default=None)
_outbox: Outbox


def register_outbox(outbox: Outbox) -> None:
    """Once, by the only package that queues in scopes."""
    global _outbox  # noqa: PLW0603
    _outbox = outbox


def current_scope() -> Scope:
    """The scope that is open here. Raises ScopeError when there is none."""
    scope = _current.get()
    if scope is None:
        raise ScopeError("No tenant scope is open: wrap this in tenant_scope(...) or system_scope().")
    return scope


@contextmanager
def tenant_scope(organizations: Iterable[UUID]) -> Iterator[Scope]:
    """One transaction in which only rows of these organizations exist.

    The feed is written last, just before COMMIT, so that the order of commits is the order of the feed.
    """
    scope = Scope(alias="default", organizations=frozenset(organizations))
    with _open(scope):
        yield scope


@contextmanager
def system_scope() -> Iterator[Scope]:
    """One transaction over every organization, as the role `system`: only for work that belongs to no tenant."""
    with _open(Scope(alias="system", organizations=None)) as scope:
        yield scope


def widen_scope(organizations: Iterable[UUID]) -> None:
    """Let more organizations into the open scope, once its caller has shown a right there that is no grant.

    For the founder of an organization, the holder of an invitation, and a person's own traces in organizations that
    they belong to no more.
    """
    scope = current_scope()
    if scope.organizations is not None:
        scope.organizations |= frozenset(organizations)
        _tell_database(scope)


@contextmanager
def savepoint() -> Iterator[None]:
    """Undo what is done inside, in the open scope, when it fails; what it announced is not announced either."""
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
    """In a dry run, roll back what is done inside, in the open scope, after all checks have run."""
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
                _tell_database(scope)
            yield scope
            announced = bool(scope.feed) and not connection.get_rollback()
            if announced:
                _outbox.append(scope.alias, scope.feed)
        if announced:
            _outbox.committed()
    finally:
        _current.reset(token)


def _tell_database(scope: Scope) -> None:
    """What row-level security lets through from here to the end of the transaction."""
    ids = ",".join(sorted(str(organization) for organization in scope.organizations or ()))
    with connections[scope.alias].cursor() as cursor:
        cursor.execute("SELECT set_config('safesignal.organizations', %s, true)", [f"{{{ids}}}"])


M = TypeVar("M", bound=models.Model)


class TenantManager(models.Manager[M]):
    """Refuses a query without a scope, and filters by organization, which row-level security then holds again."""

    organization_field = "organization_id"

    def get_queryset(self) -> models.QuerySet[M]:
        """Rows of the open scope. Raises ScopeError when none is open."""
        scope = current_scope()
        queryset = super().get_queryset().using(scope.alias)
        if scope.organizations is None:
            return queryset
        return queryset.filter(**{f"{self.organization_field}__in": scope.organizations})
