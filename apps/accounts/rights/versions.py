"""Rights versions: whether what a principal may do can have changed since it was resolved.

Database triggers raise a number for a principal, an organization or everybody in the transaction of every change that
rights depend on (`migrations/0013_rights_versions.py` lists the tables; an app that adds another one uses
`raise_rights_version` of `apps.common.db.schema`). Whoever keeps a resolved principal reads the versions of its
subjects first and the rights afterwards, and resolves anew when a version moved or the earliest expiry has come.

Two readers of the same numbers: `changed` for all open connections of a process at once, and the SQL function
`hot_versions(principal, organization)`, which returns the feed's head and one number for one caller of a cached read.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from apps.common.access import Principal
from apps.common.db.schema import EVERYBODY as EVERYBODY_TEXT

EVERYBODY: Final = UUID(EVERYBODY_TEXT)
UNKNOWN: Final = -1
"""No version: one that was never read, so that the first comparison finds it changed."""


def subjects_of(principal: Principal) -> frozenset[UUID]:
    """The subjects whose versions say whether this principal's rights stand."""
    return frozenset({principal.id, EVERYBODY, *principal.grants})


def changed(known: Mapping[UUID, int]) -> dict[UUID, int]:
    """The subjects whose version is another than the known one, with their present version. One small statement."""
    with connection.cursor() as cursor:
        # As text: adapting thousands of UUIDs one by one costs more than the statement.
        cursor.execute(
            "SELECT subject, version FROM changed_rights_versions(%s::uuid[], %s::bigint[])",
            [f"{{{','.join(map(str, known))}}}", f"{{{','.join(map(str, known.values()))}}}"],
        )
        return dict(cursor.fetchall())


def expiries(principals: Iterable[Principal], *, now: datetime) -> dict[tuple[UUID, UUID | None], datetime]:
    """When time alone next changes the rights of these, by principal and sign-in; without those that stay as they are.

    The end of a sign-in, of a membership, of a visit, of a service token. One statement.
    """
    asked = [(one.id, one.sign_in) for one in principals]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.sign_in, e.at FROM unnest(%s::uuid[], %s::uuid[]) p (id, sign_in),"
            " LATERAL rights_until(p.id, p.sign_in, %s) e (at) WHERE e.at IS NOT NULL",
            [[id_ for id_, _ in asked], [sign_in for _, sign_in in asked], now],
        )
        return {(id_, sign_in): at for id_, sign_in, at in cursor.fetchall()}
