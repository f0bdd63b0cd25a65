-- Roles with the rights that each part needs and no more. Run it once as the owner of the outbox,
-- after bitdex-producer init; it may be repeated.
--
--     psql -d gallery -f docs/roles.sql
--     CREATE ROLE drain LOGIN PASSWORD '...' IN ROLE bitdex_producer;
--     GRANT SELECT ON "Image", "TagsOnImageNew", ... TO bitdex_producer;
--
-- The tables named under `triggers` and `dump_phases` are the one thing that differs between
-- installations, hence the last line: the producer looks whether they are empty when its first epoch
-- begins, and loads read them.
--
-- Applications get nothing here, and need nothing but the rights on their own tables: the trigger
-- functions are SECURITY DEFINER, so the outbox is written with the rights of their owner, whoever
-- changes a row. The owner runs init and triggers apply, and is nobody's login.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['bitdex_producer', 'bitdex_consumer'] LOOP
        IF to_regrole(role) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role);
        END IF;
    END LOOP;
END
$$;

-- A function that runs with its owner's rights must not find somebody else's table or function first
-- (the default since PostgreSQL 15).
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON "BitdexOps", bitdex_producers, bitdex_windows, bitdex_dead_letters, bitdex_jobs,
    bitdex_cursors FROM PUBLIC;

-- All commands of bitdex-producer but init. It never writes ops.
GRANT SELECT, DELETE ON "BitdexOps" TO bitdex_producer;
GRANT SELECT, USAGE ON SEQUENCE "BitdexOps_id_seq" TO bitdex_producer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bitdex_producers TO bitdex_producer;
GRANT SELECT, INSERT, DELETE ON bitdex_windows TO bitdex_producer;
GRANT SELECT, INSERT ON bitdex_dead_letters TO bitdex_producer;
GRANT SELECT, INSERT, UPDATE, DELETE ON bitdex_jobs TO bitdex_producer;
GRANT SELECT ON bitdex_cursors TO bitdex_producer;

-- bitdex-consumer: where it says how far it is.
GRANT SELECT, INSERT, UPDATE ON bitdex_cursors TO bitdex_consumer;
