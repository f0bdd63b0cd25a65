-- One role for the producer, one for the consumer and one for operators, with the rights that each needs
-- and no others.
-- Run this file after bitdex-producer init, as a superuser, or as the owner of the outbox if that role
-- may create roles (CREATEROLE). It may be repeated.
--
--     psql -d gallery -v ON_ERROR_STOP=1 -f docs/roles.sql
--     CREATE ROLE bitdex LOGIN PASSWORD '...' IN ROLE bitdex_producer, bitdex_consumer;
--     GRANT SELECT ON "Image", "TagsOnImageNew", ... TO bitdex_producer;
--     GRANT USAGE ON SCHEMA shop, ... TO bitdex_producer;
--
-- One role for both programs is a member of both, as here. The last lines depend on the installation:
-- they name the tables of `triggers` and `dump_phases`, with all tables of `rows_from` and `children` and
-- those that an expression or a query_source reads, and the schemas of these tables. Loads read them,
-- and the first run finds out whether they are empty.
-- bitdex-producer check names the GRANT that is missing. Where row security is on, the role must see all
-- rows: ALTER ROLE bitdex BYPASSRLS, or connect as the owner of the tables.
--
-- Applications need no rights beyond those on their own tables. The trigger functions are SECURITY
-- DEFINER, so they write the outbox with the rights of their owner, whichever role changes a row.
--
-- `init`, `triggers apply` and `triggers drop` are run by the owner of the tables, or by a member of that
-- role, because Postgres lets nobody else drop, enable and comment on the triggers of a table. That role
-- also needs CREATE on the schema of the outbox; the functions and views that it creates there are its
-- own, so it still needs SELECT on the tables and INSERT on the outbox. No other role can call
-- these functions or read these views.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['bitdex_producer', 'bitdex_consumer', 'bitdex_operator'] LOOP
        IF to_regrole(role) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- this file was run for another database at the same time
            END;
        END IF;
    END LOOP;
END
$$;

-- A function with its owner's rights must not find a table or function that another role has created
-- in its search_path. (This is the default since PostgreSQL 15.)
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON "BitdexOps", bitdex_producers, bitdex_windows, bitdex_dead_letters, bitdex_jobs,
    bitdex_sources, bitdex_cursors FROM PUBLIC;

-- The schema of the outbox. PUBLIC has this right on the schema public, unless it was revoked.
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO bitdex_producer, bitdex_consumer, bitdex_operator', (
        SELECT relnamespace::regnamespace FROM pg_class WHERE oid = '"BitdexOps"'::regclass));
END
$$;

-- For every command of bitdex-producer except `init`, `triggers apply` and `triggers drop`. The
-- producer never writes ops.
GRANT SELECT, DELETE ON "BitdexOps" TO bitdex_producer;
GRANT SELECT, USAGE ON SEQUENCE "BitdexOps_id_seq" TO bitdex_producer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bitdex_producers TO bitdex_producer;
GRANT SELECT, INSERT, DELETE ON bitdex_windows TO bitdex_producer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bitdex_dead_letters TO bitdex_producer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bitdex_jobs, bitdex_sources TO bitdex_producer;
GRANT SELECT ON bitdex_cursors TO bitdex_producer;

-- For operators: requests for refreshes, in the outbox or with the commands dead-letters list, show and
-- retry. Retried letters are marked.
GRANT INSERT (entity_id, ops) ON "BitdexOps" TO bitdex_operator;
GRANT USAGE ON SEQUENCE "BitdexOps_id_seq" TO bitdex_operator;
GRANT SELECT, UPDATE (retried_txid) ON bitdex_dead_letters TO bitdex_operator;
GRANT SELECT ON bitdex_producers, bitdex_windows TO bitdex_operator;

-- For bitdex-consumer, which writes its positions to the cursor table.
GRANT SELECT, INSERT, UPDATE ON bitdex_cursors TO bitdex_consumer;
