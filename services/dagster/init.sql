-- Dagster's database: run by psql as the administrator, any number of times.
-- Reads DAGSTER_ROLE, DAGSTER_PASSWORD and DAGSTER_DB from the environment.
\getenv role DAGSTER_ROLE
\getenv password DAGSTER_PASSWORD
\getenv db DAGSTER_DB

-- A statement that fails must not put the password into the server's log.
SET log_min_error_statement = panic;

SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS is_missing \gset
\if :is_missing
CREATE ROLE :"role" LOGIN;
\endif
ALTER ROLE :"role" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'password';

SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') AS is_missing \gset
\if :is_missing
CREATE DATABASE :"db" OWNER :"role";
\endif

-- The role owns this database and sees no other; nobody else sees this one.
REVOKE ALL ON DATABASE :"db", postgres, template1 FROM PUBLIC;
