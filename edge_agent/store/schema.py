"""The tables, their version, and how the file is opened: validated, or said to be unusable."""

import sqlite3
import uuid
from pathlib import Path

VERSION = 2
BUSY_SECONDS = 1.0

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Every press that was ever taken, for ever: this is how a repeat is known.
CREATE TABLE presses (
    device TEXT NOT NULL,
    inst TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    outcome TEXT NOT NULL,
    alert_id TEXT,
    arrived_at TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (device, inst, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (alert_id TEXT PRIMARY KEY, closed_at TEXT, body BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- What the cloud has yet to hear, and for 30 days what it has heard, should it be restored from a backup.
-- urgency 0: belongs to an alert; 1: all else. result: stored, repeat, quarantined by the cloud, or refused:
-- the cloud would not take a request with it, so it waits until retry_at and holds up nothing.
CREATE TABLE outbox (
    event_id TEXT PRIMARY KEY,
    alert_id TEXT,
    urgency INTEGER NOT NULL,
    payload BLOB NOT NULL,
    forwarded_at TEXT,
    result TEXT,
    retry_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (urgency, event_id) WHERE forwarded_at IS NULL;
CREATE INDEX outbox_story ON outbox (alert_id, event_id) WHERE forwarded_at IS NULL AND alert_id IS NOT NULL;
CREATE INDEX outbox_forwarded ON outbox (forwarded_at) WHERE forwarded_at IS NOT NULL;
"""

SINCE_2 = """
CREATE INDEX alerts_open ON alerts (alert_id) WHERE closed_at IS NULL;
CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX outbox_refused ON outbox (event_id) WHERE result = 'refused' AND forwarded_at IS NULL;

-- Troubles that stand. device '': the gateway itself.
CREATE TABLE troubles (
    device TEXT NOT NULL,
    trouble TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (device, trouble)
) STRICT, WITHOUT ROWID;
"""
"""What version 2 added; a file of version 1 gets it when it is opened."""


class StoreUnusableError(Exception):
    """The file is there, but it is not one that this program may write to."""


def open_store(path: Path) -> sqlite3.Connection:
    """A connection to the store, made anew when there is none. The file's version must be this program's."""
    connection = _connect(path)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            _create(connection)
        elif version == 1:
            connection.executescript(f"BEGIN IMMEDIATE; {SINCE_2} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise StoreUnusableError(f"{path.name} is of version {version}; this program knows version {VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A second connection, that never writes."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    epoch = uuid.uuid4()
    connection.executescript(
        f"BEGIN IMMEDIATE; {TABLES} {SINCE_2} INSERT INTO meta VALUES ('epoch', '{epoch}');"
        f"PRAGMA user_version = {VERSION}; COMMIT;"
    )
