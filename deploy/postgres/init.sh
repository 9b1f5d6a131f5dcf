#!/bin/sh
# Run once by the database image, when its data folder is new: creates the three roles and the database.
# The passwords go from the secret files into psql variables, so that no command line contains them.
set -eu

export SECRETS="${SECRETS:-/run/secrets}" ROLES_SQL="${ROLES_SQL:-/safesignal/roles.sql}"
for name in owner app system; do
    [ -s "$SECRETS/postgres_${name}_password" ] || { echo "init.sh: no secret postgres_${name}_password" >&2; exit 66; }
done
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set owner_password `cat "$SECRETS/postgres_owner_password"`
\set app_password `cat "$SECRETS/postgres_app_password"`
\set system_password `cat "$SECRETS/postgres_system_password"`
\getenv roles_sql ROLES_SQL
\ir :roles_sql
SQL
