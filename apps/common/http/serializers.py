"""Shared parts of REST bodies: strict validation without guessing.

Unknown fields are refused, so that a misspelt one is never silently ignored. A value must have the documented JSON
type, so that a room "12" never becomes the number 12, and "no" never becomes true. Text is normalized (`text.py`), and
a time must have a zone.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request

from apps.common.problems import ERRORS_SHOWN
from apps.common.text import email_address, multiple_lines, single_line

COORDINATE_PLACES: Final = 8
"""Decimal places of a degree: about a millimetre."""

_TYPES: Final[Mapping[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...]]] = {
    serializers.CharField: (str,),
    serializers.IntegerField: (int,),
    serializers.DecimalField: (int, float),
    serializers.FloatField: (int, float),
    serializers.BooleanField: (bool,),
}
"""The JSON types of fields for which DRF itself accepts other types too."""


class MultilineField(serializers.CharField):
    """A text field that may have line breaks."""


class ZonedDateTimeField(serializers.DateTimeField):
    """A time with a zone (RFC 3339): without one the server would have to guess."""

    default_error_messages = {
        "no_zone": "Give date, time and zone, such as 2026-09-01T08:15:00Z or 2026-09-01T08:15:00-05:00."
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Return the aware time. Raises ValidationError."""
        try:
            parsed = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            parsed = None  # DRF reports which value is out of range
        if isinstance(value, str) and parsed is not None and parsed.tzinfo is None:
            self.fail("no_zone")
        return super().to_internal_value(value)


class CoordinateField(serializers.DecimalField):
    """Degrees of latitude or longitude as phones send them (IEEE 754 doubles), rounded to COORDINATE_PLACES."""

    def __init__(self, *, limit: int, **kwargs: Any) -> None:
        super().__init__(
            max_digits=len(str(limit)) + COORDINATE_PLACES,
            decimal_places=COORDINATE_PLACES,
            min_value=-limit,
            max_value=limit,
            coerce_to_string=False,
            help_text=f"Degrees (WGS 84), rounded to {COORDINATE_PLACES} decimals.",
            **kwargs,
        )

    def validate_precision(self, value: Decimal) -> Decimal:
        """Return the rounded value. Raises ValidationError for too many digits, which only values out of range have."""
        within = self.max_value is not None and abs(value) <= self.max_value
        return super().validate_precision(round(value, COORDINATE_PLACES) if within else value)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields and values of the wrong type, naming each."""

    answered: ClassVar[type[msgspec.Struct] | None] = None
    """The representation that this body changes. It may be sent back whole: its other fields are ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values. Raises ValidationError."""
        if isinstance(data, Mapping):
            known = {*self.fields, *(self.answered.__struct_fields__ if self.answered else ())}
            unknown = sorted(str(name) for name in data if name not in known)
            if unknown:
                raise serializers.ValidationError(_no_such_fields(unknown))
            mistyped = [name for name, field in self.fields.items() if name in data and _mistyped(field, data[name])]
            if mistyped:
                raise serializers.ValidationError({name: ["Not a value of this field's type."] for name in mistyped})
            data = self._with_normal_text(data)
        return super().to_internal_value(data)

    def _with_normal_text(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with every text normalized. Raises ValidationError."""
        values, errors = dict(data), {}
        for name, field in self.fields.items():
            normalize = _normalization(field)
            if normalize is not None and isinstance(values.get(name), str):
                try:
                    values[name] = normalize(values[name])
                except ValueError as error:
                    errors[name] = [str(error)]
        if errors:
            raise serializers.ValidationError(errors)
        return values


def valid(body: type[StrictSerializer], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """Return the validated values of a body. Raises ValidationError."""
    serializer = body(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _normalization(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[str], str] | None:
    """Return the normalization of a field; None if it is not text, or is a secret, which stays as it was typed."""
    if not isinstance(field, serializers.CharField) or not field.trim_whitespace:
        return None
    if isinstance(field, serializers.EmailField):
        return email_address
    return multiple_lines if isinstance(field, MultilineField) else single_line


def _no_such_fields(names: Sequence[str]) -> dict[str, list[str]]:
    """Return errors for unknown fields, only for the first of many: a stranger's input is not repeated at length."""
    errors = {name: ["There is no such field."] for name in names[: ERRORS_SHOWN - 1]}
    left_out = len(names) - len(errors)
    return errors | ({"non_field_errors": [f"There are no such fields: {left_out} more."]} if left_out else {})


def _mistyped(field: serializers.Field[Any, Any, Any, Any], value: object) -> bool:
    if value is None:
        return False
    types = next((types for kind, types in _TYPES.items() if isinstance(field, kind)), (object,))
    return not isinstance(value, types) or (isinstance(value, bool) and bool not in types and object not in types)
