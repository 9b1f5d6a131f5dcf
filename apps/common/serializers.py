"""What every REST body shares: nothing is guessed.

Unknown fields are refused, so that a misspelt one is never silently ignored; and a value has the JSON type that the
document says, so that a room "12" is not one day the number 12, and "no" not a yes.
"""

from collections.abc import Mapping
from typing import Any, Final

from rest_framework import serializers

_TYPES: Final[Mapping[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...]]] = {
    serializers.CharField: (str,),
    serializers.IntegerField: (int,),
    serializers.DecimalField: (int, float),
    serializers.FloatField: (int, float),
    serializers.BooleanField: (bool,),
}
"""Which JSON a field is written in, where DRF itself takes others too."""


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know and values of another type, naming each."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values. Raises ValidationError."""
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                raise serializers.ValidationError({name: ["There is no such field."] for name in unknown})
            mistyped = [name for name, field in self.fields.items() if name in data and _mistyped(field, data[name])]
            if mistyped:
                raise serializers.ValidationError({name: ["Not a value of this field's type."] for name in mistyped})
        return super().to_internal_value(data)


def _mistyped(field: serializers.Field[Any, Any, Any, Any], value: object) -> bool:
    if value is None or field.read_only:
        return False
    types = next((types for kind, types in _TYPES.items() if isinstance(field, kind)), (object,))
    return not isinstance(value, types) or (isinstance(value, bool) and bool not in types and object not in types)
