"""Rights versions: detect whether a principal's permissions may have changed since it was resolved.

Database triggers increment the version of a principal, an organization or all subjects in the transaction of every
change that rights depend on (`migrations/0013_rights_versions.py` lists the tables; an app that adds another one uses
`raise_rights_version` of `apps.common.db.schema`). Code that keeps a resolved principal reads the versions of its
subjects first and the rights afterwards, and resolves again when a version changes or the earliest expiry is reached.

There are two readers of the versions: `changed` for all open connections of a process at once, and the SQL function
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
"""Version of subjects that were never read, so that the first comparison reports a change."""


def subjects_of(principal: Principal) -> frozenset[UUID]:
    """Return the subjects whose versions affect this principal's rights."""
    return frozenset({principal.id, EVERYBODY, *principal.grants})


def changed(known: Mapping[UUID, int]) -> dict[UUID, int]:
    """Return the subjects whose version has changed, with their current version. One small statement."""
    with connection.cursor() as cursor:
        # As text: adapting thousands of UUIDs one by one costs more than the statement.
        cursor.execute(
            "SELECT subject, version FROM changed_rights_versions(%s::uuid[], %s::bigint[])",
            [f"{{{','.join(map(str, known))}}}", f"{{{','.join(map(str, known.values()))}}}"],
        )
        return dict(cursor.fetchall())


def expiries(principals: Iterable[Principal], *, now: datetime) -> dict[tuple[UUID, UUID | None], datetime]:
    """Return the next expiry that changes rights, by principal and sign-in; principals without one are left out.

    Expiries are ends of sign-ins, memberships, visits and service tokens. One statement.
    """
    asked = [(one.id, one.sign_in) for one in principals]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id, p.sign_in, e.at FROM unnest(%s::uuid[], %s::uuid[]) p (id, sign_in),"
            " LATERAL rights_until(p.id, p.sign_in, %s) e (at) WHERE e.at IS NOT NULL",
            [[id_ for id_, _ in asked], [sign_in for _, sign_in in asked], now],
        )
        return {(id_, sign_in): at for id_, sign_in, at in cursor.fetchall()}
