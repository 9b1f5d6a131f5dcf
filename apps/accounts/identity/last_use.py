"""Last use of sign-ins and service tokens: written at intervals, so that reads do not become writes."""

import logging
import time
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import DatabaseError

from apps.accounts.models import ServiceToken, SignIn
from apps.common.access import Principal, PrincipalKind
from apps.common.db.scope import tenant_scope

logger = logging.getLogger(__name__)

SIGN_IN_EVERY: Final = timedelta(minutes=5)
SERVICE_EVERY: Final = timedelta(minutes=1)
REMEMBERED: Final = 10_000


class Seldom:
    """Remembers which of many actions this process has done recently."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._done: OrderedDict[Hashable, float] = OrderedDict()

    def is_due(self, key: Hashable, every: timedelta) -> bool:
        """Return whether the action was not done for this long, and if so record it as done now."""
        now = time.monotonic()
        with self._lock:
            done = self._done.get(key)
            if done is not None and now - done < every.total_seconds():
                return False
            self._done[key] = now
            self._done.move_to_end(key)
            if len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return True


_seldom = Seldom()


def written(sign_in: UUID) -> None:
    """Record that the last use of a sign-in was just written, when it was created or extended."""
    _seldom.is_due(sign_in, SIGN_IN_EVERY)


def note(principal: Principal, *, address: str, now: datetime) -> None:
    """Record the caller's use now. Runs outside any scope; an error here never fails the request."""
    try:
        if principal.sign_in is not None and _seldom.is_due(principal.sign_in, SIGN_IN_EVERY):
            changed: dict[str, object] = {"used_at": now, "address": address} if address else {"used_at": now}
            SignIn.objects.filter(pk=principal.sign_in, used_at__lt=now - SIGN_IN_EVERY).update(**changed)
        elif principal.kind is PrincipalKind.SERVICE and _seldom.is_due(principal.id, SERVICE_EVERY):
            _note_service(principal, now)
    except DatabaseError as error:
        logger.warning("the last use was not recorded: %s: %s", type(error).__name__, error)


def _note_service(principal: Principal, now: datetime) -> None:
    with tenant_scope(principal.grants):
        token = ServiceToken.objects.filter(pk=principal.id)
        (token.filter(used_at=None) | token.filter(used_at__lt=now - SERVICE_EVERY)).update(used_at=now)
