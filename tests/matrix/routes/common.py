from tests.matrix.entry import At, Entry

ENTRIES = [
    Entry("GET", "/.well-known/jwks.json", at=At.OPEN),
    Entry("GET", "/health/live", at=At.OPEN),
    Entry("GET", "/health/ready", at=At.OPEN),
    Entry("GET", "/metrics", at=At.OPEN, ok=404),  # From other machines: tests/http/operations/test_metrics.py.
    Entry("GET", "/problems/{problem}", at=At.OPEN),
    Entry("GET", "/api/v1/openapi.json", at=At.OPEN),
    Entry("GET", "/api/v1/docs", at=At.OPEN),
    Entry("GET", "/api/v1/redoc", at=At.OPEN),
]
