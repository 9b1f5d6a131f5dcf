"""Rights versions: numbers that rise in the transaction of every change to what a principal may do.

Whatever was resolved under a version holds for as long as the version stands and its earliest expiry has not come.
Triggers raise the numbers, so that no entry point, no cascade and no manual statement can forget it.
"""

from typing import Final

from django.db import migrations

from apps.common.db.schema import EVERYBODY, owned_by_system, raise_rights_version

VERSIONS: Final = """
-- A subject is a principal (person, service token, gateway), an organization, or everybody. A missing row is version 0.
CREATE TABLE rights_versions (subject uuid PRIMARY KEY, version bigint NOT NULL) WITH (fillfactor = 50);
GRANT SELECT ON rights_versions TO safesignal_system;

-- Raises the version of the subjects that the changed row names in the column TG_ARGV[0]; for a statement trigger, of
-- everybody. The row stays locked until commit, so that versions rise in the order of the commits.
CREATE FUNCTION raise_rights_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rights_versions AS v (subject, version)
        SELECT DISTINCT subject, 1
        FROM unnest(CASE WHEN TG_LEVEL = 'STATEMENT' THEN ARRAY['EVERYBODY'::uuid]
                         ELSE ARRAY[(to_jsonb(OLD) ->> TG_ARGV[0])::uuid, (to_jsonb(NEW) ->> TG_ARGV[0])::uuid]
                    END) subject
        WHERE subject IS NOT NULL ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET version = v.version + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION raise_rights_version() FROM PUBLIC;
""".replace("EVERYBODY", EVERYBODY)

QUESTIONS: Final = """
-- Those of these subjects whose version is not the one that the caller knows, with their present one.
CREATE FUNCTION changed_rights_versions(subjects uuid[], known bigint[])
RETURNS TABLE (subject uuid, version bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.subject, coalesce(v.version, 0)
    FROM unnest(subjects, known) k (subject, version) LEFT JOIN rights_versions v ON v.subject = k.subject
    WHERE coalesce(v.version, 0) <> k.version
$$;

-- The next moment at which time alone changes what a principal may do; NULL when there is none.
CREATE FUNCTION rights_until(principal uuid, sign_in uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT least(
        (SELECT s.expires_at FROM sign_ins s WHERE s.id = sign_in),
        (SELECT min(m.expires_at) FROM user_organizations m WHERE m.user_id = principal AND m.expires_at > at),
        (SELECT min(v.started_at) FROM platform_visits v WHERE v.user_id = principal AND v.started_at > at),
        (SELECT min(v.ends_at) FROM platform_visits v
            WHERE v.user_id = principal AND v.ended_at IS NULL AND v.ends_at > at),
        (SELECT t.expires_at FROM service_tokens t WHERE t.id = principal))
$$;

-- All that a cached answer depends on: the head of the organization's feed, and one number for the rights of one
-- principal in one organization. It is a sum of numbers that only rise, so it moves when any of them does. A reader
-- asks for it before it reads rights or rows, so that what it keeps is never older than the version it is kept under.
CREATE FUNCTION hot_versions(principal uuid, organization uuid, OUT head bigint, OUT rights bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT h.seq FROM organization_heads h WHERE h.organization_id = organization), 0),
           coalesce((SELECT sum(v.version) FROM rights_versions v
                     WHERE v.subject IN (principal, organization, 'EVERYBODY')), 0)::bigint
$$;
""".replace("EVERYBODY", EVERYBODY)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_push_of_account_and_school"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("common", "0004_doors"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("tenancy", "0003_settings"),
    ]
    operations = [
        migrations.RunSQL(VERSIONS, migrations.RunSQL.noop),
        # Nothing was resolved yet under a person or a sign-in that is new.
        raise_rights_version(
            "users",
            columns=("id", "status", "is_super_admin", "email", "first_name", "last_name"),
            subject="id",
            on_insert=False,
        ),
        raise_rights_version(
            "sign_ins", columns=("id", "user_id", "only_organization", "expires_at"), subject="user_id", on_insert=False
        ),
        raise_rights_version(
            "user_organizations",
            columns=("user_id", "organization_id", "role", "scope", "trigger_only", "expires_at"),
            subject="user_id",
        ),
        raise_rights_version(
            "site_grants", columns=("user_id", "organization_id", "permission_id", "site_id"), subject="user_id"
        ),
        raise_rights_version(
            "building_grants", columns=("user_id", "organization_id", "permission_id", "building_id"), subject="user_id"
        ),
        raise_rights_version(
            "platform_visits",
            columns=("user_id", "organization_id", "started_at", "ends_at", "ended_at"),
            subject="user_id",
        ),
        raise_rights_version("mfa_authenticator", columns=("user_id", "type"), subject="user_id"),
        raise_rights_version(
            "service_tokens",
            columns=("id", "organization_id", "name", "scopes", "digest", "expires_at"),
            subject="id",
            on_insert=False,
        ),
        raise_rights_version("organizations", columns=("id", "status", "settings"), subject="id"),
        raise_rights_version("buildings", columns=("id", "site_id", "organization_id"), subject="organization_id"),
        raise_rights_version("permissions", columns=("role", "resource", "action"), subject=None),
        raise_rights_version("auth_permission", columns=("id", "codename"), subject=None),
        migrations.RunSQL(QUESTIONS, migrations.RunSQL.noop),
        owned_by_system("changed_rights_versions(uuid[], bigint[])"),
        owned_by_system("rights_until(uuid, uuid, timestamptz)"),
        owned_by_system("hot_versions(uuid, uuid)"),
    ]
