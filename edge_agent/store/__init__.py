"""The gateway's memory on disk: SQLite, WAL, synchronous=FULL. A commit that returned is on the disk."""
