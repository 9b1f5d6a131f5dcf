"""Grants of the identity tables, and row-level security of memberships."""

from django.db import migrations

from apps.common.db.schema import belongs_to_organization, grant_identity_table, lock_tenant_table


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("tenancy", "0002_locks"),
        ("sessions", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        grant_identity_table("users", grant="SELECT, INSERT, UPDATE"),
        grant_identity_table("refresh_tokens"),
        grant_identity_table("django_session"),
        grant_identity_table("permissions", grant="SELECT"),
        grant_identity_table("django_content_type", grant="SELECT"),
        grant_identity_table("auth_permission", grant="SELECT"),
        migrations.RunSQL(
            """
            ALTER TABLE user_organizations ADD CONSTRAINT user_organizations_user_fk
                FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
            CREATE UNIQUE INDEX users_email_folded ON users (lower(email));
            """,
            migrations.RunSQL.noop,
        ),
        belongs_to_organization("user_organizations", key=False),
        lock_tenant_table("user_organizations"),
    ]
