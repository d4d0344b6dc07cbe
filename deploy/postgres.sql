-- Two databases on one PostgreSQL server, each with a role of its own: Prefect's records, and the ledger. Neither role
-- may look into the other's database. Run by psql as an administrator; running it again changes passwords, no data.
--
--     PREFECT_DB_PASSWORD=... LEDGER_DB_PASSWORD=... psql --dbname ADMIN_ADDRESS --file deploy/postgres.sql
--
-- Passwords come from the environment, so no list of processes shows them. Needs psql 14 and PostgreSQL 14 or newer.
\set ON_ERROR_STOP on
\getenv prefect_password PREFECT_DB_PASSWORD
\getenv ledger_password LEDGER_DB_PASSWORD

SELECT 'CREATE ROLE prefect LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prefect')
\gexec
SELECT 'CREATE ROLE ledger LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ledger')
\gexec

SET password_encryption = 'scram-sha-256';
ALTER ROLE prefect PASSWORD :'prefect_password';
ALTER ROLE ledger PASSWORD :'ledger_password';
-- API replicas and services hold 15 connections each at most; whoever leaks them must not lock the ledger out.
ALTER ROLE prefect CONNECTION LIMIT 120;
ALTER ROLE ledger CONNECTION LIMIT 60;

SELECT 'CREATE DATABASE prefect OWNER prefect' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefect')
\gexec
SELECT 'CREATE DATABASE ledger OWNER ledger' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ledger')
\gexec
REVOKE ALL ON DATABASE prefect FROM PUBLIC;
REVOKE ALL ON DATABASE ledger FROM PUBLIC;
