"""`./dev generate`: the files that follow from contracts/ and are read by what cannot read contracts/ itself."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from contracts import ROOT as CONTRACTS
from contracts import AlertType, alert_types, patterns
from devstack.machine.paths import ROOT

HEAD: Final = "Written by `./dev generate` from contracts/alert_types.json"


def write() -> None:
    """Write each file anew."""
    for path, text in FILES.items():
        (ROOT / path).write_text(text())


def stale() -> list[str]:
    """The files that are not what contracts/ gives."""
    return [path for path, text in FILES.items() if (ROOT / path).read_text() != text()]


def gateway_types() -> str:
    """What the gateway knows of alert types without any file or configuration."""
    types = alert_types()
    table = patterns()
    defaults = ", ".join(f'"{pattern}": {_member(name)}' for pattern, name in table.patterns.items())
    return f'''"""What the gateway knows of alert types without any configuration.

{HEAD} and patterns.json.
"""

from enum import StrEnum

from edge_agent.messages.severity import Severity


class AlertType(StrEnum):
    """In order of gravity, the gravest first."""

{_lines(f'{one.type.upper()} = "{one.type}"' for one in types)}


GRAVEST = {_member(table.otherwise)}

SEVERITY = {{
{_lines(f"{_member(one.type)}: Severity.{one.severity.upper()}," for one in types)}
}}
"""A type's own severity."""

GRAVITY = {{
{_lines(f"{_member(one.type)}: {one.priority}," for one in types)}
}}
"""On PA the greater pre-empts."""

HIDES = frozenset(
    {{
{_lines((f"{_member(one.type)}," for one in types if one.never_sounds_in_room_of_origin), indent=8)}
    }}
)
"""Types that never sound in the room they came from."""

DEFAULT_PATTERNS = {{{defaults}}}
"""What a pattern means where no rule says otherwise; any other is the gravest."""
'''


def board_colours() -> str:
    """The colour of each type on the board."""
    return f"/* {HEAD}. */\n" + "".join(map(_colour, alert_types()))


def common_schema() -> str:
    """The definitions that the messages share, with the types of today."""
    document = json.loads((CONTRACTS / "common/schema.json").read_text())
    document["$defs"]["alert_type"]["enum"] = [one.type for one in alert_types()]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


FILES: Final[Mapping[str, Callable[[], str]]] = {
    "contracts/common/schema.json": common_schema,
    "edge_agent/messages/alert_types.py": gateway_types,
    "static/board/alert_types.css": board_colours,
}


def _member(alert_type: str) -> str:
    return f"AlertType.{alert_type.upper()}"


def _lines(lines: Iterable[str], indent: int = 4) -> str:
    return "\n".join(" " * indent + line for line in lines)


def _colour(one: AlertType) -> str:
    return f'\n.alert[data-type="{one.type}"] {{\n  --tone: {one.colour};\n}}\n'
