-- The tables that bitdex-producer needs in the source database. `bitdex-producer init` executes these
-- steps in order and skips those that are done. Every step may be repeated, so init can be started
-- again after an interruption. An existing table is changed in place, without a rewrite, and writers
-- that insert (entity_id, ops) need no change.
--
-- A step is its name, an SQL condition that holds when the step is done, and one statement.

-- step table "BitdexOps"
-- done when to_regclass('"BitdexOps"') IS NOT NULL
-- The outbox. Triggers and other writers insert (entity_id, ops). A trigger takes the id while its
-- transaction holds the lock of the changed row. Therefore the ids of two changes of one row are in
-- the order of their commits, as long as the sequence keeps CACHE 1 and INCREMENT 1.
CREATE TABLE IF NOT EXISTS "BitdexOps" (
    id BIGSERIAL PRIMARY KEY,
    entity_id BIGINT NOT NULL,
    ops JSONB NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now(),
    txid XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- step column "BitdexOps".txid
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = '"BitdexOps"'::regclass::oid AND attname = 'txid' AND NOT attisdropped)
-- The transaction that wrote the row. Existing rows get the transaction of this step.
ALTER TABLE "BitdexOps" ADD COLUMN IF NOT EXISTS txid XID8 NOT NULL DEFAULT pg_current_xact_id();

-- step constraint bitdex_ops_txid_is_own
-- done when EXISTS (SELECT FROM pg_constraint WHERE conrelid = '"BitdexOps"'::regclass::oid AND conname = 'bitdex_ops_txid_is_own')
-- A row with the id of another transaction would never be sent, so it is refused. Do not validate
-- this constraint: as long as it is NOT VALID, pg_dump writes it after the rows, and a dump can be
-- restored.
ALTER TABLE "BitdexOps" ADD CONSTRAINT bitdex_ops_txid_is_own CHECK (txid = pg_current_xact_id()) NOT VALID;

-- step removal of the unfinished index of an interrupted init
-- done when NOT EXISTS (SELECT FROM pg_index WHERE indrelid = '"BitdexOps"'::regclass::oid AND indexrelid = to_regclass('bitdex_ops_txid')::oid AND NOT indisvalid)
DROP INDEX CONCURRENTLY IF EXISTS bitdex_ops_txid;

-- step index bitdex_ops_txid
-- done when EXISTS (SELECT FROM pg_index WHERE indrelid = '"BitdexOps"'::regclass::oid AND indexrelid = to_regclass('bitdex_ops_txid')::oid AND indisvalid)
CREATE INDEX CONCURRENTLY IF NOT EXISTS bitdex_ops_txid ON "BitdexOps" (txid);

-- step table bitdex_producers
-- done when to_regclass('bitdex_producers') IS NOT NULL
-- One row per producer. Each session of a producer increments generation, which fences off the
-- session before it. An epoch is one unbroken history (system_identifier, timeline) of this database.
CREATE TABLE IF NOT EXISTS bitdex_producers (
    name TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    topic TEXT NOT NULL,
    topic_id UUID NOT NULL,             -- chosen by the producer; every mark carries it
    partitions INTEGER NOT NULL,
    system_identifier TEXT NOT NULL,
    timeline TEXT NOT NULL,             -- eight hexadecimal digits, as in the names of WAL files
    source_empty BOOLEAN NOT NULL,      -- all source tables were empty when this epoch began
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step column bitdex_producers.voided
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_producers'::regclass::oid AND attname = 'voided' AND NOT attisdropped)
-- Number of the newest event that took completeness away; 0: there was none.
ALTER TABLE bitdex_producers ADD COLUMN IF NOT EXISTS voided BIGINT NOT NULL DEFAULT 0;

-- step column bitdex_producers.voided_sent
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_producers'::regclass::oid AND attname = 'voided_sent' AND NOT attisdropped)
-- All partitions have acknowledged the events up to this number.
ALTER TABLE bitdex_producers ADD COLUMN IF NOT EXISTS voided_sent BIGINT NOT NULL DEFAULT 0;

-- step table bitdex_sources
-- done when to_regclass('bitdex_sources') IS NOT NULL
-- What the tables under `triggers` were when their producer last compared them. Changes that no trigger
-- reports show in it.
CREATE TABLE IF NOT EXISTS bitdex_sources (
    name TEXT NOT NULL,                 -- of the producer
    relation TEXT NOT NULL,             -- the table, as configured
    signature JSONB NOT NULL,           -- its oid, its partitions, labels of its enums
    reason TEXT,                        -- what has changed and is not loaded yet; null: nothing
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (name, relation)
);

-- step table bitdex_windows
-- done when to_regclass('bitdex_windows') IS NOT NULL
-- The positions of producers. The row with the greatest (tick, sub_id) of a name is valid. A row is
-- added before the first event of a window is sent (sub_id = 0), and inside a large window at most
-- once a second.
CREATE TABLE IF NOT EXISTS bitdex_windows (
    name TEXT NOT NULL,
    tick BIGINT NOT NULL,
    sub_id BIGINT NOT NULL,             -- rows of the window up to this id are acknowledged
    generation BIGINT NOT NULL,
    s1 PG_SNAPSHOT NOT NULL,            -- the window is the rows that s2 sees
    s2 PG_SNAPSHOT NOT NULL,            -- and s1 does not see
    last_row_id BIGINT NOT NULL,        -- greatest row id sent so far
    seq BIGINT[] NOT NULL,              -- by partition: seq of its last event
    digest BIGINT[] NOT NULL,           -- by partition: digest of its row ids
    offsets BIGINT[] NOT NULL,          -- by partition: last acknowledged offset; -1: none
    saved_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, tick, sub_id)
);

-- step column bitdex_windows.content_digest
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_windows'::regclass::oid AND attname = 'content_digest' AND NOT attisdropped)
-- By partition: digest of the content of its events; null: saved by an earlier version.
ALTER TABLE bitdex_windows ADD COLUMN IF NOT EXISTS content_digest BIGINT[];

-- step column bitdex_windows.answered
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_windows'::regclass::oid AND attname = 'answered' AND NOT attisdropped)
-- Every request for a refresh that it sees is answered; null: saved by an earlier version, as s1.
ALTER TABLE bitdex_windows ADD COLUMN IF NOT EXISTS answered PG_SNAPSHOT;

-- step table bitdex_dead_letters
-- done when to_regclass('bitdex_dead_letters') IS NOT NULL
-- Ops rows that cannot be encoded as events (the topic has a rejected event in their place), and those
-- with values that cannot be.
CREATE TABLE IF NOT EXISTS bitdex_dead_letters (
    name TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    row_id BIGINT NOT NULL,
    tick BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    entity_id BIGINT NOT NULL,
    ops JSONB NOT NULL,
    created_at TIMESTAMPTZ,             -- of the ops row
    reason TEXT NOT NULL,
    rejected_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (name, epoch, row_id)
);

-- step columns of bitdex_dead_letters
-- done when (SELECT count(*) FROM pg_attribute WHERE attrelid = 'bitdex_dead_letters'::regclass::oid AND NOT attisdropped AND attname IN ('job', 'place')) = 2
ALTER TABLE bitdex_dead_letters
    -- 0: an ops row. Else it is what this job, or with -1 an answer to a request, could not send: row_id is
    -- the entity, place the table and the field, and ops would request it again.
    ADD COLUMN IF NOT EXISTS job BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS place TEXT NOT NULL DEFAULT '';

-- step column bitdex_dead_letters.retried_txid
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_dead_letters'::regclass::oid AND attname = 'retried_txid' AND NOT attisdropped)
-- The transaction of the newest request that retries the letter; null: it was not retried. The letter
-- is resolved once its producer's newest `answered` sees this transaction.
ALTER TABLE bitdex_dead_letters ADD COLUMN IF NOT EXISTS retried_txid XID8;

-- step column bitdex_dead_letters.invalid_values
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'bitdex_dead_letters'::regclass AND attname = 'invalid_values' AND NOT attisdropped)
-- The values of the ops row that its event lacks, each with op, nested, field and reason; null: the
-- whole row is rejected, or the letter is not of a row.
ALTER TABLE bitdex_dead_letters ADD COLUMN IF NOT EXISTS invalid_values JSONB;

-- step key of bitdex_dead_letters
-- done when (SELECT max(pg_catalog.cardinality(conkey)) FROM pg_constraint WHERE conrelid = 'bitdex_dead_letters'::regclass::oid AND contype = 'p') = 5
ALTER TABLE bitdex_dead_letters
    DROP CONSTRAINT IF EXISTS bitdex_dead_letters_pkey,
    ADD CONSTRAINT bitdex_dead_letters_pkey PRIMARY KEY (name, epoch, row_id, job, place);

-- step table bitdex_jobs
-- done when to_regclass('bitdex_jobs') IS NOT NULL
-- Requested loads and checks of existing rows. Each belongs to one producer, and so to its topic.
CREATE TABLE IF NOT EXISTS bitdex_jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,                 -- of the producer
    kind TEXT NOT NULL CHECK (kind IN ('load', 'verify', 'check')),
    phases TEXT[],                      -- names of dump_phases; null: all
    after_id BIGINT,                    -- entities with a greater id; null: from the beginning
    up_to_id BIGINT,                    -- entities up to this id; null: to the end
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    reason TEXT NOT NULL,               -- why it was requested
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step columns of bitdex_jobs
-- done when (SELECT count(*) FROM pg_attribute WHERE attrelid = 'bitdex_jobs'::regclass::oid AND NOT attisdropped AND attname IN ('source_table', 'fields', 'ids', 'cancel_requested', 'epoch', 'plan', 'stage', 'next_id', 'next_pass', 'last_id', 'rows', 'ops_written', 'chunks', 'bytes', 'rejected', 'uncovered', 'dumps', 'error', 'started_at', 'finished_at', 'csv', 'ranges', 'end_tick')) = 23
-- What the job reads, and how far it is. An unfinished job of an earlier version is one of everything.
ALTER TABLE bitdex_jobs
    ADD COLUMN IF NOT EXISTS source_table TEXT,         -- as in `triggers`; null: all tables
    ADD COLUMN IF NOT EXISTS fields TEXT[],             -- null: all fields
    ADD COLUMN IF NOT EXISTS csv TEXT,                  -- directory of the CSV files that it reads; null: tables
    ADD COLUMN IF NOT EXISTS ids BIGINT[],              -- only these entities; null: all of the range
    ADD COLUMN IF NOT EXISTS ranges BIGINT[],           -- of verify and check: begin, end, begin, end, ...; null: all of the range
    ADD COLUMN IF NOT EXISTS end_tick BIGINT,           -- of verify and check: tick of the last event sent
    ADD COLUMN IF NOT EXISTS cancel_requested BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS epoch BIGINT,              -- in which it began; in another one it begins again
    ADD COLUMN IF NOT EXISTS plan TEXT,                 -- hash of what it reads; if that changes, it begins again
    ADD COLUMN IF NOT EXISTS stage TEXT NOT NULL DEFAULT 'begin'
        CHECK (stage IN ('begin', 'ranges', 'passes', 'end')),
    ADD COLUMN IF NOT EXISTS next_id BIGINT NOT NULL DEFAULT 0, -- entities below it are acknowledged
    ADD COLUMN IF NOT EXISTS next_pass INTEGER NOT NULL DEFAULT 0, -- passes before it are acknowledged
    ADD COLUMN IF NOT EXISTS last_id BIGINT,            -- greatest entity id when it began; null: unknown
    ADD COLUMN IF NOT EXISTS rows BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS ops_written BIGINT NOT NULL DEFAULT 0, -- values, and entities alive
    ADD COLUMN IF NOT EXISTS chunks BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS bytes BIGINT NOT NULL DEFAULT 0, -- that the database sent
    ADD COLUMN IF NOT EXISTS rejected BIGINT NOT NULL DEFAULT 0, -- values, and entities without a slot
    ADD COLUMN IF NOT EXISTS uncovered BIGINT NOT NULL DEFAULT 0, -- entities that fit no event
    ADD COLUMN IF NOT EXISTS dumps JSONB NOT NULL DEFAULT '[]', -- what was read of each source
    ADD COLUMN IF NOT EXISTS error TEXT,                -- why it failed
    ADD COLUMN IF NOT EXISTS started_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS finished_at TIMESTAMPTZ;

-- step kinds of bitdex_jobs
-- done when (SELECT count(*) FROM pg_constraint WHERE conrelid = 'bitdex_jobs'::regclass::oid AND conname = 'bitdex_jobs_kind_check' AND pg_get_constraintdef(oid) LIKE '%verify%') = 1
ALTER TABLE bitdex_jobs DROP CONSTRAINT IF EXISTS bitdex_jobs_kind_check,
    ADD CONSTRAINT bitdex_jobs_kind_check CHECK (kind IN ('load', 'verify', 'check'));

-- step index bitdex_jobs_unfinished
-- done when to_regclass('bitdex_jobs_unfinished') IS NOT NULL
CREATE INDEX IF NOT EXISTS bitdex_jobs_unfinished ON bitdex_jobs (name, id) WHERE state IN ('queued', 'running');

-- step table bitdex_cursors
-- done when to_regclass('bitdex_cursors') IS NOT NULL
-- The cursor table: how far each consumer group is. replica_id is group/topic/partition;
-- last_outbox_id is the greatest row id that the partition has applied.
CREATE TABLE IF NOT EXISTS bitdex_cursors (
    replica_id TEXT PRIMARY KEY,
    last_outbox_id BIGINT NOT NULL DEFAULT 0,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step columns of bitdex_cursors
-- done when (SELECT count(*) FROM pg_attribute WHERE attrelid = 'bitdex_cursors'::regclass::oid AND NOT attisdropped AND attname IN ('ownership', 'committed_offset', 'epoch', 'seq', 'source_clock', 'complete')) = 6
ALTER TABLE bitdex_cursors
    ADD COLUMN IF NOT EXISTS ownership BIGINT NOT NULL DEFAULT 0, -- incremented whenever a member is assigned the partition
    ADD COLUMN IF NOT EXISTS committed_offset BIGINT,   -- of the group; the other columns are as of this offset
    ADD COLUMN IF NOT EXISTS epoch BIGINT,
    ADD COLUMN IF NOT EXISTS seq BIGINT,
    ADD COLUMN IF NOT EXISTS source_clock TIMESTAMPTZ,  -- of the last applied watermark
    ADD COLUMN IF NOT EXISTS complete BOOLEAN;
