"""Shared parts of all HTTP endpoints: problems, pages, ETags, idempotency, rate limits, bodies, request ids."""
