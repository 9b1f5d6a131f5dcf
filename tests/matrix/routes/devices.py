from tests.matrix.entry import At, Entry

ENTRIES = [
    Entry(
        "POST",
        "/api/v1/oauth/token",
        at=At.OPEN,
        body=lambda _: "grant_type=password",
        content_type="application/x-www-form-urlencoded",
        ok=400,
    ),
    Entry("GET", "/api/v1/troubles?organization={organization}", "devices:read", At.LIST, rows="trouble"),
    Entry("GET", "/api/v1/edge/config", at=At.SELF, kinds=frozenset({"gateway"})),
]
