"""Read table files as records of text, in any encoding and with any separator that spreadsheets use.

Spreadsheets write UTF-8 with or without a byte order mark, or UTF-16 with one ("Unicode text"); they separate cells by
commas, by semicolons (where the comma is the decimal mark) or by tabs; and Excel may say which in a first line `sep=;`.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import Final

_LINE_END: Final = re.compile("\r\n|\r|\n")
_SEPARATORS: Final = ",;\t"
_NAMED_SEPARATOR: Final = re.compile(r"sep=(.)(\r\n|\r|\n)")
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of Excel workbooks: a ZIP archive (.xlsx), or a compound file (.xls)."""


class Unreadable(ValueError):
    """Why a file cannot be read, and the line that is the cause."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def records(body: bytes, columns: Collection[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each non-empty record, with the number of the line in which it begins.

    `columns` are the names expected in the header, which determine the separator. Raises Unreadable.
    """
    text = _decoded(body)
    named = _NAMED_SEPARATOR.match(text)
    skipped, separator = (1, named[1]) if named else (0, _separator(text, columns))
    lines = io.StringIO(text[named.end() :] if named else text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(number, f"This line can not be read: {error}.") from None
        if any(cell.strip() for cell in cells):
            yield number, cells


def _decoded(body: bytes) -> str:
    if body.startswith(_WORKBOOKS):
        raise Unreadable(1, "This is an Excel workbook: save it as CSV (UTF-8).")
    encoding = "utf-16" if body.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_of(body[: error.start].decode(encoding, "replace"))
        raise Unreadable(line, "The file is not in UTF-8: save it as CSV (UTF-8).") from None
    if "\x00" in text:
        raise Unreadable(_line_of(text[: text.index("\x00")]), "It holds a NUL character.")
    if not text.strip():
        raise Unreadable(1, "The file is empty: its first line names the columns.")
    return text


def _line_of(before: str) -> int:
    """Return the number of the line that follows this text."""
    return len(_LINE_END.findall(before)) + 1


def _separator(text: str, columns: Collection[str]) -> str:
    """Return the separator with which the first line names most of the columns."""
    first = next((line for line in _LINE_END.split(text) if line.strip(_SEPARATORS + " ")), "")

    def known(separator: str) -> int:
        names = (name.strip(' "').lower() for name in first.split(separator))
        return sum(name in columns for name in names)

    return max(_SEPARATORS, key=known)
