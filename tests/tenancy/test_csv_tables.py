"""CSV tables: written rows are read back unchanged, and no written cell is a formula."""

import contextlib
import csv
import io
from decimal import Decimal
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.csv.tables import SHOWN, Column, CsvRefused, Line, Table, degrees, text, whole
from apps.common.text import single_line

pytestmark = pytest.mark.slow


class Row(msgspec.Struct, frozen=True):
    name: str
    note: str | msgspec.UnsetType | None = msgspec.UNSET
    number: int | msgspec.UnsetType | None = msgspec.UNSET


TABLE = Table(
    [Column("name", text(50), is_required=True), Column("note", text(2000)), Column("number", whole(-5, 5))], Row, 1000
)
starts = st.sampled_from(["", "=", "+", "-", "@", "'", "'=", "''-", "\uff1d", ";=", "\t=", ",="])
kept = st.builds(
    lambda start, cell: single_line(f"{start}{cell}x"),
    starts,
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), max_size=40),
)
written = st.builds(Row, kept, st.none() | kept, st.none() | st.integers(-5, 5))


def refused(body: bytes, table: Table[Row] = TABLE) -> list[tuple[int, str | None]]:
    with pytest.raises(CsvRefused) as refusal:
        table.read(body)
    lines = refusal.value.extra["lines"]
    assert isinstance(lines, list)
    assert all(line["problem"] for line in lines)
    return [(line["line"], line["column"]) for line in lines]


@given(st.lists(written, max_size=8))
def test_written_rows_are_read_back_unchanged(rows: list[Row]) -> None:
    body = TABLE.head + "".join(TABLE.write(rows))
    assert [line.row for line in TABLE.read(body.encode())] == rows


@given(st.lists(written, max_size=8))
def test_written_cells_are_never_formulas(rows: list[Row]) -> None:
    """According to OWASP ("CSV Injection"): no cell begins with = + - or @, except plain numbers."""
    for record in csv.reader(io.StringIO("".join(TABLE.write(rows)), newline="")):
        for cell in record:
            assert (
                cell[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
                or cell.removeprefix("-").isdecimal()
                or (cell.lstrip("+-").replace(".", "", 1).isdecimal())
            )


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_without_error(body: bytes) -> None:
    with contextlib.suppress(CsvRefused):
        TABLE.read(body)


@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\uff1d1", "--1", "-"])
def test_formula_is_refused_unless_it_has_an_apostrophe(formula: str) -> None:
    assert refused(f"name,note\na,b\nc,{formula}\n".encode()) == [(3, "note")]
    assert [line.row for line in TABLE.read(f"name,note\nc,'{formula}\n".encode())] == [Row("c", formula)]


@pytest.mark.parametrize("number", ["-1", "+1", "1", "0"])
def test_plain_number_is_not_a_formula(number: str) -> None:
    assert [line.row.number for line in TABLE.read(f"name,number\nx,{number}\n".encode())] == [int(number)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("name,note\nx,y\n".encode("utf-16-le"), [(1, None)]),
        ("name,note\nx,y\n".encode("utf-16") + b"x", [(3, None)]),
        (b"name,note\ra,b\rcaf\xe9,y\r", [(3, None)]),
        (b"name,note\r\na,b\r\nx,a\x00b\r\n", [(3, None)]),
        (b"name,note\rx,a\x00b\r", [(2, None)]),
        (b"sep=;\r\nname;number\r\nx;many\r\n", [(3, "number")]),
        (b"\xd0\xcf\x11\xe0name,note\n", [(1, None)]),
        ("name,note\na,b\nZürich,y\n".encode("latin-1"), [(3, None)]),
        (b"", [(1, None)]),
        (b"\n\n", [(1, None)]),
        (b"name,note\na,b\nx,a\x00b\n", [(3, None)]),
        (b"note\ny\n", [(1, "name")]),
        (b"name,colour,taste\nx,red,sweet\n", [(1, "colour"), (1, "taste")]),
        (b"name,note,note\nx,y,z\n", [(1, "note")]),
        (b"name,note\nx\ny,z\n", [(2, None)]),
        (b"name,note\nx,y,z\n", [(2, None)]),
        (b'name,note\nx,"open\n', [(2, None)]),
        (b'name,note\nx,"a"b\n', [(2, None)]),
        (b"name,number\n,1\nx,many\ny,6\nz,1.5\n", [(2, "name"), (3, "number"), (4, "number"), (5, "number")]),
        (b"name,number\n" + b"x" * 51 + b",6\n", [(2, "name"), (2, "number")]),
        (b'name,note\n"two\nlines",y\nz,=1\n', [(4, "note")]),
        ("name,number\nx,\u0664\n".encode(), [(2, "number")]),
    ],
)
def test_errors_are_reported_by_line_and_column(body: bytes, expected: list[tuple[int, str | None]]) -> None:
    assert refused(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfname,note\r\nx,y\r\n",
        b"name,note\rx,y\r",
        b" Name , NOTE \n x , y \n",
        b"note,name\ny,x\n",
        b"\n\nname,note\n\n,\nx,y\n\n",
        b'"name","note"\n"x","y"\n',
        b"name;note\r\nx;y\r\n",
        b"name\tnote\r\nx\ty\r\n",
        b"sep=;\r\nname;note\r\nx;y\r\n",
        "name\tnote\r\nx\ty\r\n".encode("utf-16"),
        "\ufeffname\tnote\r\nx\ty\r\n".encode("utf-16-be"),
        b"name,note,,\nx,y,,\n",
        b"name,note,\nx,y\n",
    ],
)
def test_files_saved_by_spreadsheets_are_read(body: bytes) -> None:
    """Byte order marks, line ends of other systems, other separators, empty columns at the end."""
    assert [line.row for line in TABLE.read(body)] == [Row("x", "y")]


def test_written_file_has_no_formula_for_any_separator() -> None:
    """Excel separates cells by semicolons where the comma is the decimal mark."""
    text = "".join(TABLE.write([Row("x;=cmd|' /C calc'!A0", "y\t=1")]))
    assert text == '"x;=cmd|\' /C calc\'!A0","y =1",""\r\n'.replace("y =1", "y\t=1")


def test_number_with_decimal_comma_is_refused_as_a_number() -> None:
    """The advice for formulas is only for free text."""

    class Point(msgspec.Struct):
        longitude: Decimal | None

    table = Table([Column("longitude", degrees(180))], Point)
    with pytest.raises(CsvRefused) as refusal:
        table.read(b'longitude\n"-71,2"\n')
    (line,) = cast("list[dict[str, str]]", refusal.value.extra["lines"])
    assert line["problem"].startswith("Not a number")
    assert table.read(b"longitude\n41.87811359999999\n")[0].row == Point(Decimal("41.87811360"))


def test_empty_cell_is_null_and_omitted_column_is_unset() -> None:
    assert TABLE.read(b"name,note\nx,\n") == [Line(2, Row("x", None, msgspec.UNSET))]


def test_too_many_lines_are_refused_at_the_first_excess_line() -> None:
    short = Table(TABLE.columns, Row, 2)
    assert len(short.read(b"name\na\nb\n")) == 2
    assert refused(b"name\na\nb\nc\nd\n", short) == [(4, None)]


def test_only_the_first_hundred_errors_are_reported() -> None:
    body = b"name,number\n" + b"x,many\n" * (SHOWN + 7)
    with pytest.raises(CsvRefused) as refusal:
        TABLE.read(body)
    assert refusal.value.extra["more"] == 7
    assert len(refused(body)) == SHOWN
