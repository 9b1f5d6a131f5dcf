"""The principal of a request: bearer tokens and sessions, resolved once by the middleware."""
