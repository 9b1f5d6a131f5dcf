from tests.matrix.entry import At, Entry

ENTRIES = [
    Entry("GET", "/", at=At.OPEN, ok=302),
    Entry("GET", "/login/", at=At.OPEN),
    Entry("POST", "/login/", at=At.OPEN, content_type="application/x-www-form-urlencoded", body=lambda _: "email=x"),
    Entry("POST", "/logout/", at=At.OPEN, ok=302),
    Entry("GET", "/join/", at=At.OPEN),
    Entry("GET", "/confirm-email/", at=At.OPEN),
    Entry("GET", "/day/", at=At.OPEN),
    Entry("GET", "/reset-password/", at=At.OPEN),
    Entry("GET", "/forgot-password/", at=At.OPEN),
    Entry(
        "POST",
        "/forgot-password/",
        at=At.OPEN,
        content_type="application/x-www-form-urlencoded",
        body=lambda _: "email=nobody@school.example",
    ),
    Entry("GET", "/board/?organization={organization}", "alerts:read|open_alerts:read", At.LIST, is_page=True),
    Entry(
        "POST",
        "/board/alerts/{alert}/acknowledge/",
        "alerts:update",
        At.BUILDING,
        ok=302,
        is_page=True,
        changes="alert.acknowledge",
    ),
    Entry(
        "POST",
        "/board/alerts/{alert}/resolve/",
        "alerts:update",
        At.BUILDING,
        ok=302,
        is_page=True,
        changes="alert.resolve",
    ),
]
