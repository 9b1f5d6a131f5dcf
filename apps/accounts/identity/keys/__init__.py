"""Keys that sign access tokens, and the tokens."""
