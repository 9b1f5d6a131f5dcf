"""Tables as CSV: reading and writing files, importing rows, and the endpoints that do it."""
