"""Presses of any age, found without reading them all: each is known for ever (a repeat must be known as one)."""

import sqlite3
from dataclasses import dataclass

from edge_agent.messages.press import PressId

LATEST_OF_EACH = 5
LATEST_AT_MOST = 10_000
BUTTONS_AT_MOST = 20_000
"""Of how many buttons (each with each of its installations) the greatest press is read at start."""

Button = tuple[str, str]
"""Device and installation: what counts its own presses."""


@dataclass(frozen=True, slots=True)
class Buttons:
    """The greatest press number of each button, `complete` when there are no others; and the latest presses of each,
    since a button that was not told `stored` sends those again."""

    greatest: dict[Button, int]
    latest: dict[PressId, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A press as it was taken (None: never), and the greatest number of its button (None: it has none)."""

    fingerprint: str | None
    greatest: int | None


def known_buttons(connection: sqlite3.Connection) -> Buttons:
    """One step down the index for each button, however many presses there are."""
    greatest: dict[Button, int] = {}
    latest: dict[PressId, str] = {}
    place: Button = ("", "")
    while len(greatest) < BUTTONS_AT_MOST:
        found = _next_button(connection, place)
        if found is None:
            return Buttons(greatest, latest, complete=True)
        place = found
        rows = connection.execute(
            "SELECT seq, fingerprint FROM presses WHERE device = ? AND inst = ? ORDER BY seq DESC LIMIT ?",
            (*place, LATEST_OF_EACH),
        ).fetchall()
        greatest[place] = int(rows[0][0])
        if len(latest) < LATEST_AT_MOST:
            latest |= {(*place, int(seq)): str(fingerprint) for seq, fingerprint in rows}
    return Buttons(greatest, latest, complete=False)


def _next_button(connection: sqlite3.Connection, after: Button) -> Button | None:
    """In two questions: one for both columns would read every press of a button to find the next."""
    row = (
        connection.execute(
            "SELECT device, inst FROM presses WHERE device = ? AND inst > ? ORDER BY inst LIMIT 1", after
        ).fetchone()
        or connection.execute(
            "SELECT device, inst FROM presses WHERE device > ? ORDER BY device, inst LIMIT 1", after[:1]
        ).fetchone()
    )
    return None if row is None else (str(row[0]), str(row[1]))


def find(connection: sqlite3.Connection, press_id: PressId) -> Found:
    """By the primary key."""
    row = connection.execute(
        "SELECT fingerprint FROM presses WHERE device = ? AND inst = ? AND seq = ?", press_id
    ).fetchone()
    return Found(None if row is None else str(row[0]), _greatest(connection, press_id[:2]))


def _greatest(connection: sqlite3.Connection, button: Button) -> int | None:
    row = connection.execute("SELECT max(seq) FROM presses WHERE device = ? AND inst = ?", button).fetchone()
    return None if row[0] is None else int(row[0])
