"""Lookup of presses of any age without a scan: each is stored forever, so that its repeats are recognized."""

import sqlite3
from dataclasses import dataclass

from edge_agent.messages.press import PressId

LATEST_OF_EACH = 5
LATEST_AT_MOST = 10_000
BUTTONS_AT_MOST = 20_000
"""The number of buttons (per installation) whose greatest press is read at startup."""

Button = tuple[str, str]
"""Device and installation, which together count their own presses."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """The greatest press seq of each button, `complete` if these are all, and each button's latest presses, since a
    button without a confirmation sends those again."""

    greatest: dict[Button, int]
    latest: dict[PressId, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class PressLookup:
    """The fingerprint of a press (None: unknown), and the greatest seq of its button (None: no press)."""

    fingerprint: str | None
    greatest: int | None


def known_buttons(connection: sqlite3.Connection) -> Buttons:
    """Read one index entry per button, independent of the number of presses."""
    greatest: dict[Button, int] = {}
    latest: dict[PressId, str] = {}
    place: Button = ("", "")
    while len(greatest) < BUTTONS_AT_MOST:
        button = _next_button(connection, place)
        if button is None:
            return Buttons(greatest, latest, complete=True)
        place = button
        rows = connection.execute(
            "SELECT seq, fingerprint FROM presses WHERE device = ? AND inst = ? ORDER BY seq DESC LIMIT ?",
            (*place, LATEST_OF_EACH),
        ).fetchall()
        greatest[place] = int(rows[0][0])
        if len(latest) < LATEST_AT_MOST:
            latest |= {(*place, int(seq)): str(fingerprint) for seq, fingerprint in rows}
    return Buttons(greatest, latest, complete=False)


def _next_button(connection: sqlite3.Connection, after: Button) -> Button | None:
    """Find the next button with two queries: a single one over both columns would scan all presses of a button."""
    row = (
        connection.execute(
            "SELECT device, inst FROM presses WHERE device = ? AND inst > ? ORDER BY inst LIMIT 1", after
        ).fetchone()
        or connection.execute(
            "SELECT device, inst FROM presses WHERE device > ? ORDER BY device, inst LIMIT 1", after[:1]
        ).fetchone()
    )
    return None if row is None else (str(row[0]), str(row[1]))


def find(connection: sqlite3.Connection, press_id: PressId) -> PressLookup:
    """Look a press up by its primary key."""
    row = connection.execute(
        "SELECT fingerprint FROM presses WHERE device = ? AND inst = ? AND seq = ?", press_id
    ).fetchone()
    return PressLookup(None if row is None else str(row[0]), _greatest(connection, press_id[:2]))


def _greatest(connection: sqlite3.Connection, button: Button) -> int | None:
    row = connection.execute("SELECT max(seq) FROM presses WHERE device = ? AND inst = ?", button).fetchone()
    return None if row[0] is None else int(row[0])
