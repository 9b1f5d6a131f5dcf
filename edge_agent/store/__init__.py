"""The gateway's storage: SQLite, WAL, synchronous=FULL. A commit that returned is on the disk."""
