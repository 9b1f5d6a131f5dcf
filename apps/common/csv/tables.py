"""Tables as CSV (RFC 4180), for spreadsheets: read strictly, and written so that no cell is taken for a formula.

A cell that begins like a formula is written with an apostrophe before it, which is taken away again when it is read; a
free text that begins so without it is refused. A plain number, `-1` for a basement, is no formula. Every cell is
written in quotation marks: where a spreadsheet separates cells by semicolons, `x;=1` would otherwise be two of them.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec

from apps.common.csv import files
from apps.common.http.serializers import COORDINATE_PLACES
from apps.common.problems import Invalid
from apps.common.text import multiple_lines, single_line

MAX_LINES: Final = 10_000
SHOWN: Final = 100
"""Of the lines that are at fault, as many are told."""

_FORMULA: Final = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet calculates, or one that was written with an apostrophe before it."""
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)

Parse = Callable[[str], object]
"""From a cell that is not empty to its value. Raises ValueError, which says what is asked for."""
R = TypeVar("R", bound=msgspec.Struct)


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong in one line; the header is line 1. Without a column it is the whole line."""

    line: int
    column: str | None
    problem: str


class CsvRefused(Invalid):
    """The table holds lines that are at fault; `lines` names each, with its column, the first hundred of them."""

    code = "csv_refused"
    default_detail = "Nothing was changed: correct the lines that `lines` names, then send the whole table again."


class BadCell(ValueError):
    """A line that can be read and does not fit what is there; `column` is the one at fault."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


class Faults:
    """What is wrong with a table, gathered so that it can be told at once."""

    def __init__(self) -> None:
        self._found: list[LineProblem] = []

    def add(self, line: int, column: str | None, problem: str) -> None:
        """One more."""
        self._found.append(LineProblem(line, column, problem))

    def refuse(self) -> None:
        """Raises CsvRefused where there are any."""
        if self._found:
            found = sorted(self._found, key=lambda one: one.line)
            raise CsvRefused(lines=msgspec.to_builtins(found[:SHOWN]), more=max(0, len(found) - SHOWN))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how a cell of it is read, and whether each line must have one."""

    name: str
    parse: Parse
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Line(Generic[R]):
    """A row, and the line of the file in which it begins."""

    number: int
    row: R


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A format: its columns, whose names are the fields of `row`.

    An empty cell is null. A column that a file leaves out leaves its field unset, so that what it says stays as it is.
    """

    columns: Sequence[Column]
    row: type[R]
    max_lines: int = MAX_LINES

    def read(self, body: bytes) -> list[Line[R]]:
        """The rows of a file. Raises CsvRefused."""
        faults = Faults()
        records = _records(body, {column.name for column in self.columns}, faults)
        first = next(records, None)
        faults.refuse()
        header = self._header(first, faults)
        faults.refuse()
        lines = [
            Line(number, msgspec.convert(values, self.row))
            for number, cells in self._counted(records, faults)
            if (values := _values(number, cells, header, faults)) is not None
        ]
        faults.refuse()
        return lines

    def write(self, rows: Iterable[R]) -> Iterator[str]:
        """Rows as the text of a file without its header, line by line."""
        for row in rows:
            yield _text([_cell(getattr(row, column.name)) for column in self.columns])

    @property
    def head(self) -> str:
        """The header's line."""
        return _text([column.name for column in self.columns])

    def _header(self, first: tuple[int, list[str]] | None, faults: Faults) -> list[Column]:
        known = {column.name: column for column in self.columns}
        names = [name.strip().lower() for name in _without_empty_end(first[1])] if first else []
        for name in dict.fromkeys(name for name in names if name not in known):
            faults.add(1, name, f"There is no such column. There are: {', '.join(known)}.")
        for name in dict.fromkeys(name for name in names if name in known and names.count(name) > 1):
            faults.add(1, name, "This column is there twice.")
        for column in self.columns:
            if column.is_required and column.name not in names:
                faults.add(1, column.name, "This column is missing.")
        return [known[name] for name in names if name in known]

    def _counted(self, records: Iterator[tuple[int, list[str]]], faults: Faults) -> Iterator[tuple[int, list[str]]]:
        for count, record in enumerate(records):
            if count == self.max_lines:
                faults.add(record[0], None, f"More than {self.max_lines} lines: send it in parts.")
                return
            yield record


@dataclass(frozen=True, slots=True)
class FreeText:
    """Reads a text of at most `most` characters, in its normal form; what it reads could be taken for a formula.

    `normalize` raises ValueError for a text that is none of its kind.
    """

    most: int
    normalize: Callable[[str], str] = single_line

    def __call__(self, cell: str) -> str:
        """The text. Raises ValueError."""
        normal = self.normalize(cell)
        if not normal:
            raise ValueError("It holds no character that can be seen.")
        if len(normal) > self.most:
            raise ValueError(f"Longer than {self.most} characters.")
        return normal


def text(most: int) -> FreeText:
    """A text of one line."""
    return FreeText(most)


def multiline_text(most: int) -> FreeText:
    """A text that may have line breaks."""
    return FreeText(most, multiple_lines)


def whole(least: int, most: int) -> Parse:
    """A whole number within limits."""

    def parse(cell: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,10}", cell, re.ASCII) or not least <= int(cell) <= most:
            raise ValueError(f"Not a whole number from {least} to {most}.")
        return int(cell)

    return parse


def degrees(most: int) -> Parse:
    """An angle, with a decimal point, rounded as the API rounds it."""

    def parse(cell: str) -> Decimal:
        if not re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,30})?", cell, re.ASCII) or abs(Decimal(cell)) > most:
            raise ValueError(f"Not a number from -{most} to {most}, with a decimal point.")
        return round(Decimal(cell), COORDINATE_PLACES)

    return parse


def one_of(values: Sequence[str]) -> Parse:
    """One of some words."""

    def parse(cell: str) -> str:
        if cell not in values:
            raise ValueError(f"Not one of {', '.join(values)}.")
        return cell

    return parse


def _records(body: bytes, columns: Collection[str], faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line in which it begins."""
    try:
        yield from files.records(body, columns)
    except files.Unreadable as error:
        faults.add(error.line, None, str(error))


def _without_empty_end(cells: Sequence[str]) -> Sequence[str]:
    """The cells without the empty ones at the end that a spreadsheet adds."""
    count = len(cells)
    while count > 1 and not cells[count - 1].strip():
        count -= 1
    return cells[:count]


def _values(number: int, cells: Sequence[str], header: Sequence[Column], faults: Faults) -> Mapping[str, object] | None:
    """The values of a record by column; None where something of it is at fault."""
    if not any(cell.strip() for cell in cells[len(header) :]):
        cells = cells[: len(header)]
    if len(cells) != len(header):
        faults.add(number, None, f"There are {len(cells)} cells, and {len(header)} columns.")
        return None
    values: dict[str, object] = {}
    for column, raw in zip(header, cells, strict=True):
        try:
            values[column.name] = _value(column, raw.strip())
        except ValueError as error:
            faults.add(number, column.name, str(error))
    return values if len(values) == len(header) else None


def _value(column: Column, cell: str) -> object:
    if not cell:
        if column.is_required:
            raise ValueError("This cell must not be empty.")
        return None
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        if cell.startswith("'"):
            cell = cell[1:]
        elif isinstance(column.parse, FreeText):
            raise ValueError("This cell begins like a formula. If it is meant as text, put an apostrophe before it.")
    return column.parse(cell)


def _cell(value: object) -> str:
    match value:
        case None | msgspec.UNSET:
            return ""
        case Decimal():
            return f"{value.normalize():f}"
    cell = str(value)
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _text(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()
