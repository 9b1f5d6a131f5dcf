"""Organizations and their places."""
