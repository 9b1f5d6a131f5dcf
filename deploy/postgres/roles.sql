-- The three roles and the database. Run once by a superuser, before the first migration:
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v app_password=… -v system_password=… -f deploy/postgres/roles.sql
-- owner   migrates, and owns every table; nothing that serves people connects as it
-- app     web, live feed and tasks: always inside one tenant scope, held by row-level security
-- system  relay, sweeps and partition keeper: reads every organization, owns nothing but a few functions
CREATE ROLE safesignal_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE safesignal_app LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'app_password';
CREATE ROLE safesignal_system LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'system_password';
-- Nothing waits, or holds a row, without end (milliseconds; the same as DATABASE_TIME_LIMITS in safesignal/settings.py).
ALTER ROLE safesignal_app SET lock_timeout = 2000;
ALTER ROLE safesignal_app SET statement_timeout = 15000;
ALTER ROLE safesignal_app SET idle_in_transaction_session_timeout = 15000;
ALTER ROLE safesignal_system SET lock_timeout = 2000;
ALTER ROLE safesignal_system SET statement_timeout = 60000;
ALTER ROLE safesignal_system SET idle_in_transaction_session_timeout = 60000;
ALTER ROLE safesignal_owner SET lock_timeout = 10000;
ALTER ROLE safesignal_owner SET statement_timeout = 0;
ALTER ROLE safesignal_owner SET idle_in_transaction_session_timeout = 600000;
-- Migrations hand a few SECURITY DEFINER functions to system; the owner itself gains none of its rights.
GRANT safesignal_system TO safesignal_owner WITH INHERIT FALSE, SET TRUE;
CREATE DATABASE safesignal OWNER safesignal_owner ENCODING 'UTF8' TEMPLATE template0;
\connect safesignal
REVOKE ALL ON DATABASE safesignal FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE safesignal TO safesignal_app, safesignal_system;
GRANT USAGE ON SCHEMA public TO safesignal_app, safesignal_system;
ALTER SCHEMA public OWNER TO safesignal_owner;
