"""Shared OpenAPI responses of endpoints that use links and messages."""

from typing import Final

from apps.tenancy.api.organizations import refusals

TAGS: Final = ["auth"]
LINK: Final = "`link_refused`: unknown, used, withdrawn or expired. `invalid`: `errors` names the fields."
TOO_MANY: Final = "`too_many_messages`: see `Retry-After`."
QUEUE: Final = refusals(_400="`invalid`: `errors` names the fields.", _429=TOO_MANY, _503="`unavailable`")
