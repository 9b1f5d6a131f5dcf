"""When a sign-in and a service token were last used: written seldom, so that reads do not become writes."""

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
    """Which of many things this process has done lately."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._done: OrderedDict[Hashable, float] = OrderedDict()

    def is_due(self, key: Hashable, every: timedelta) -> bool:
        """Whether it was not done for so long; then it counts as done now."""
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
    """That the last use of a sign-in was written just now, by whoever begins or prolongs it."""
    _seldom.is_due(sign_in, SIGN_IN_EVERY)


def note(principal: Principal, *, address: str, now: datetime) -> None:
    """That the caller came just now. Outside of any scope; whatever happens here, they are answered."""
    try:
        if principal.sign_in is not None and _seldom.is_due(principal.sign_in, SIGN_IN_EVERY):
            changed: dict[str, object] = {"used_at": now, "address": address} if address else {"used_at": now}
            SignIn.objects.filter(pk=principal.sign_in, used_at__lt=now - SIGN_IN_EVERY).update(**changed)
        elif principal.kind is PrincipalKind.SERVICE and _seldom.is_due(principal.id, SERVICE_EVERY):
            _note_service(principal, now)
    except DatabaseError as error:
        logger.warning("a last use was not written: %s: %s", type(error).__name__, error)


def _note_service(principal: Principal, now: datetime) -> None:
    with tenant_scope(principal.grants):
        token = ServiceToken.objects.filter(pk=principal.id)
        (token.filter(used_at=None) | token.filter(used_at__lt=now - SERVICE_EVERY)).update(used_at=now)
