"""Tables as CSV (RFC 4180) for spreadsheets: strict reading, and writing without cells that act as formulas.

A cell that begins like a formula is written with a leading apostrophe, which reading removes again; free text that
begins like a formula without one is refused. A plain number such as `-1`, for a basement, is not a formula. Every cell
is quoted: in a spreadsheet that separates cells by semicolons, `x;=1` would otherwise become two cells.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from apps.common.csv import files
from apps.common.http.serializers import COORDINATE_PLACES
from apps.common.problems import Invalid
from apps.common.text import multiple_lines, single_line

MAX_LINES: Final = 10_000
SHOWN: Final = 100
"""Maximum number of invalid lines to report."""

_FORMULA: Final = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
"""Matches the start of a cell that a spreadsheet would evaluate, or that was written with an apostrophe."""
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)

Parse = Callable[[str], object]
"""Converts a non-empty cell to its value. Raises ValueError, which says what is required."""
R = TypeVar("R", bound=msgspec.Struct)


class LineProblem(msgspec.Struct, frozen=True):
    """A fault in one line; the header is line 1. Without a column it concerns the whole line."""

    line: int
    column: str | None
    problem: str


class CsvRefused(Invalid):
    """The table contains invalid lines; `lines` has the first hundred of them, each with its column."""

    code = "csv_refused"
    default_detail = "Nothing was changed: correct the lines that `lines` names, then send the whole table again."


class BadCell(ValueError):
    """A well-formed line conflicts with existing data; `column` is the invalid one."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


class Faults:
    """The faults of a table, collected so that they can be reported together."""

    def __init__(self) -> None:
        self._problems: list[LineProblem] = []

    def add(self, line: int, column: str | None, problem: str) -> None:
        """Add a fault."""
        self._problems.append(LineProblem(line, column, problem))

    def refuse(self) -> None:
        """Raise CsvRefused if there are any faults."""
        if self._problems:
            problems = sorted(self._problems, key=lambda one: one.line)
            raise CsvRefused(lines=msgspec.to_builtins(problems[:SHOWN]), more=max(0, len(problems) - SHOWN))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its cells are parsed, and whether each line must have a value."""

    name: str
    parse: Parse
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Line(Generic[R]):
    """A row, and the line of the file at which it begins."""

    number: int
    row: R


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table format: its columns, whose names are the fields of `row`.

    An empty cell is null. If a file leaves out a column, its field is unset, so that the existing value is kept.
    """

    columns: Sequence[Column]
    row: type[R]
    max_lines: int = MAX_LINES

    def read(self, body: bytes) -> list[Line[R]]:
        """Read the rows of a file. Raises CsvRefused."""
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
        """Yield the lines of a file for these rows, without the header."""
        for row in rows:
            yield _text([_cell(getattr(row, column.name)) for column in self.columns])

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def head(self) -> str:
        """Return the header line."""
        return _text(self.names)

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
    """Parses text of at most `most` characters into its normal form; such a cell could act as a formula.

    `normalize` raises ValueError for unsuitable text.
    """

    most: int
    normalize: Callable[[str], str] = single_line

    def __call__(self, cell: str) -> str:
        """Return the text. Raises ValueError."""
        normal = self.normalize(cell)
        if not normal:
            raise ValueError("It has no visible character.")
        if len(normal) > self.most:
            raise ValueError(f"Longer than {self.most} characters.")
        return normal


def text(most: int) -> FreeText:
    """Return a parser for a text of one line."""
    return FreeText(most)


def multiline_text(most: int) -> FreeText:
    """Return a parser for a text that may have line breaks."""
    return FreeText(most, multiple_lines)


def whole(least: int, most: int) -> Parse:
    """Return a parser for a whole number within limits."""

    def parse(cell: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,10}", cell, re.ASCII) or not least <= int(cell) <= most:
            raise ValueError(f"Not a whole number from {least} to {most}.")
        return int(cell)

    return parse


def cells_of(model: type[models.Model], name: str) -> Parse:
    """Return a parser for the values of a field of a model: a text of one line, or a whole number."""
    field = model._meta.get_field(name)
    if isinstance(field, models.IntegerField):
        least = [one.limit_value for one in field.validators if isinstance(one, MinValueValidator)]
        most = [one.limit_value for one in field.validators if isinstance(one, MaxValueValidator)]
        return whole(max(least), min(most))
    assert isinstance(field, models.CharField)
    assert field.max_length
    return text(field.max_length)


def degrees(most: int) -> Parse:
    """Return a parser for an angle with a decimal point, rounded as in the API."""

    def parse(cell: str) -> Decimal:
        if not re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,30})?", cell, re.ASCII) or abs(Decimal(cell)) > most:
            raise ValueError(f"Not a number from -{most} to {most}, with a decimal point.")
        return round(Decimal(cell), COORDINATE_PLACES)

    return parse


def one_of(values: Sequence[str]) -> Parse:
    """Return a parser for one of these values."""

    def parse(cell: str) -> str:
        if cell not in values:
            raise ValueError(f"Not one of {', '.join(values)}.")
        return cell

    return parse


def _records(body: bytes, columns: Collection[str], faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Yield each non-empty record, with the line at which it begins."""
    try:
        yield from files.records(body, columns)
    except files.Unreadable as error:
        faults.add(error.line, None, str(error))


def _without_empty_end(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells without the trailing empty ones that a spreadsheet adds."""
    count = len(cells)
    while count > 1 and not cells[count - 1].strip():
        count -= 1
    return cells[:count]


def _values(number: int, cells: Sequence[str], header: Sequence[Column], faults: Faults) -> Mapping[str, object] | None:
    """Return the values of a record by column; None if any of them is invalid."""
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
