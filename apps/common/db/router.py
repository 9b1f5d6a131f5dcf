"""The database alias for migrations."""


class MigrationRouter:
    """Migrates as `owner` only, so `makemigrations` never uses a role that may not read the applied migrations."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: object) -> bool:
        """Return whether migrations run on this alias."""
        return db == "owner"
