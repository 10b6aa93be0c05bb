-- The compute database: run by psql as the administrator, any number of times.
-- Reads COMPUTE_ROLE, COMPUTE_PASSWORD and COMPUTE_DB from the environment.
\getenv role COMPUTE_ROLE
\getenv password COMPUTE_PASSWORD
\getenv db COMPUTE_DB

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

\connect :"db"
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgis;
-- A CRS that is not in the EPSG list gets a row of its own.
GRANT SELECT, INSERT ON spatial_ref_sys TO :"role";
