"""The tables, their version, and opening of the file, which validates the version."""

import sqlite3
import uuid
from pathlib import Path

VERSION = 2
BUSY_SECONDS = 1.0

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Every accepted press, kept forever to recognize repeats.
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

-- Events waiting for the cloud, and for 30 days those that it has, in case it is restored from a backup.
-- urgency 0: belongs to an alert; 1: all others. result: stored, repeat, quarantined by the cloud, or refused:
-- the cloud rejects requests with this event, so it waits until retry_at without blocking others.
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

-- Ongoing troubles. device '': the gateway itself.
CREATE TABLE troubles (
    device TEXT NOT NULL,
    trouble TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (device, trouble)
) STRICT, WITHOUT ROWID;
"""
"""Additions of version 2, applied to a version 1 file when it is opened."""


class StoreUnusableError(Exception):
    """The file exists, but this program must not write to it."""


def open_store(path: Path) -> sqlite3.Connection:
    """Open a connection to the store, creating or upgrading the file. Newer versions are rejected."""
    connection = _connect(path)
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            _create(connection)
        elif version == 1:
            connection.executescript(f"BEGIN IMMEDIATE; {SINCE_2} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise StoreUnusableError(f"{path.name} has version {version}; this program supports version {VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a second, read-only connection."""
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
