"""Types of the members of representations, with what the OpenAPI document says about them."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

CHOICES: Final = "choices"
"""The key of `Meta.extra` under which `one_of` keeps its choices."""

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""A time as `apps.common.times` formats it."""
Email = Annotated[str, Meta(extra_json_schema={"format": "email"})]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]


def one_of(choices: Sequence[str | tuple[str, str]]) -> Meta:
    """Return the metadata of a text with one of these values, or (value, label) pairs."""
    return Meta(extra={CHOICES: choices})


class NamedDocument(Struct, frozen=True):
    """The id and name of a place, a person or a gateway."""

    id: UUID
    name: str
