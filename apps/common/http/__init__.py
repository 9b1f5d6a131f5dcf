"""What is the same for every HTTP endpoint: problems, pages, ETags, idempotency, rate limits, bodies, request ids."""
