from django.apps import AppConfig


class CommonConfig(AppConfig):
    """The base of all other apps."""

    name = "apps.common"
    verbose_name = "Record"

    def ready(self) -> None:
        """Register our bodies and documents with drf-spectacular before it reads the first route, and retention."""
        from apps.common import feed, retention  # noqa: PLC0415 -- models are loaded only now
        from apps.common.http.writes import idempotency  # noqa: PLC0415
        from apps.common.models import IdempotencyKey  # noqa: PLC0415
        from apps.common.openapi import bodies, documents  # noqa: F401, PLC0415

        retention.register(
            retention.Rows(
                subject="feed",
                kept=feed.KEEP,
                since="it entered the feed, if it is published",
                source="ours: a client that was away for longer reads the lists again",
                forget=feed.forget_old,
            ),
            retention.Rows(
                subject="idempotency_keys",
                kept=idempotency.KEEP,
                since="the first request",
                source="ours: a client that lost the response repeats the request on the same day",
                forget=retention.delete_before(IdempotencyKey, "created_at"),
            ),
        )
