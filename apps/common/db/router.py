"""Which database alias migrations are about."""


class MigrationRouter:
    """Only the role `owner` migrates: `makemigrations` need not ask as a role that may not read what was applied."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: object) -> bool:
        """Whether migrations run on this alias."""
        return db == "owner"
