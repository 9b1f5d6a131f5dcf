"""Places: import and export of tables, and an index by name for imports."""
