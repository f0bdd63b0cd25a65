-- The tables that bitdex-producer needs in the source database. `bitdex-producer init` takes these
-- steps in this order and skips those that are done; each may be repeated, and after an interruption
-- init goes on where it stopped. A table that exists is changed in place: no rewrite, writers of
-- (entity_id, ops) notice nothing.
--
-- A step is: its name, a condition that holds when it is done, one statement.

-- step table "BitdexOps"
-- done when to_regclass('"BitdexOps"') IS NOT NULL
-- The outbox. Triggers and other writers insert (entity_id, ops). id is taken under the row's lock,
-- so that its order is the order of one row's commits: its sequence must keep CACHE 1, INCREMENT 1.
CREATE TABLE IF NOT EXISTS "BitdexOps" (
    id BIGSERIAL PRIMARY KEY,
    entity_id BIGINT NOT NULL,
    ops JSONB NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now(),
    txid XID8 NOT NULL DEFAULT pg_current_xact_id()
);

-- step column "BitdexOps".txid
-- done when EXISTS (SELECT FROM pg_attribute WHERE attrelid = '"BitdexOps"'::regclass AND attname = 'txid' AND NOT attisdropped)
-- Which transaction wrote the row. Rows that are there already get the transaction of this step.
ALTER TABLE "BitdexOps" ADD COLUMN IF NOT EXISTS txid XID8 NOT NULL DEFAULT pg_current_xact_id();

-- step constraint bitdex_ops_txid_is_own
-- done when EXISTS (SELECT FROM pg_constraint WHERE conrelid = '"BitdexOps"'::regclass AND conname = 'bitdex_ops_txid_is_own')
-- A row whose txid was written explicitly would never be sent, so it is refused. Never validate this
-- constraint: being not valid, it comes last in a dump, and the dump's rows can be restored.
ALTER TABLE "BitdexOps" ADD CONSTRAINT bitdex_ops_txid_is_own CHECK (txid = pg_current_xact_id()) NOT VALID;

-- step removal of an index that an interrupted init left unfinished
-- done when NOT EXISTS (SELECT FROM pg_index WHERE indrelid = '"BitdexOps"'::regclass AND indexrelid = to_regclass('bitdex_ops_txid') AND NOT indisvalid)
DROP INDEX CONCURRENTLY IF EXISTS bitdex_ops_txid;

-- step index bitdex_ops_txid
-- done when EXISTS (SELECT FROM pg_index WHERE indrelid = '"BitdexOps"'::regclass AND indexrelid = to_regclass('bitdex_ops_txid') AND indisvalid)
CREATE INDEX CONCURRENTLY IF NOT EXISTS bitdex_ops_txid ON "BitdexOps" (txid);

-- step table bitdex_producers
-- done when to_regclass('bitdex_producers') IS NOT NULL
-- One row per producer. A producer that starts adds one to generation and so locks out its
-- predecessor. An epoch is one unbroken history (system_identifier, timeline) of this database.
CREATE TABLE IF NOT EXISTS bitdex_producers (
    name TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    topic TEXT NOT NULL,
    topic_id UUID NOT NULL,             -- ours; every mark on the topic carries it
    partitions INTEGER NOT NULL,
    system_identifier TEXT NOT NULL,
    timeline TEXT NOT NULL,             -- as in the names of WAL files
    source_empty BOOLEAN NOT NULL,      -- was there nothing when this epoch began?
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step table bitdex_windows
-- done when to_regclass('bitdex_windows') IS NOT NULL
-- The positions of producers; the greatest (tick, sub_id) of a name counts. Appended to before the
-- first row of a window is sent (sub_id = 0), and at most once a second inside a large window.
CREATE TABLE IF NOT EXISTS bitdex_windows (
    name TEXT NOT NULL,
    tick BIGINT NOT NULL,
    sub_id BIGINT NOT NULL,             -- rows of the window up to this id are on the topic
    generation BIGINT NOT NULL,
    s1 PG_SNAPSHOT NOT NULL,            -- the window holds what s2 sees
    s2 PG_SNAPSHOT NOT NULL,            -- and s1 did not see
    last_row_id BIGINT NOT NULL,        -- greatest row id sent so far
    seq BIGINT[] NOT NULL,              -- by partition: number of its last event,
    digest BIGINT[] NOT NULL,           -- digest of its row ids,
    offsets BIGINT[] NOT NULL,          -- last offset acknowledged; -1: none
    saved_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, tick, sub_id)
);

-- step table bitdex_dead_letters
-- done when to_regclass('bitdex_dead_letters') IS NOT NULL
-- Rows of the outbox that cannot be encoded. The topic has a small "rejected" event in their place.
CREATE TABLE IF NOT EXISTS bitdex_dead_letters (
    name TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    row_id BIGINT NOT NULL,
    tick BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    entity_id BIGINT NOT NULL,
    ops JSONB NOT NULL,
    created_at TIMESTAMPTZ,             -- of the row
    reason TEXT NOT NULL,
    rejected_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (name, epoch, row_id)
);

-- step table bitdex_jobs
-- done when to_regclass('bitdex_jobs') IS NOT NULL
-- Loads and checks of existing rows that somebody has asked for; each belongs to a producer's topic.
CREATE TABLE IF NOT EXISTS bitdex_jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,                 -- of the producer
    kind TEXT NOT NULL CHECK (kind IN ('load', 'check')),
    phases TEXT[],                      -- names of dump_phases; null: all
    after_id BIGINT,                    -- entities behind this id; null: from the beginning
    up_to_id BIGINT,                    -- up to this one; null: to the end
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    reason TEXT NOT NULL,               -- why it was asked for
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step table bitdex_cursors
-- done when to_regclass('bitdex_cursors') IS NOT NULL
-- Where consumers say how far they are; replica_id is group/topic/partition, last_outbox_id the
-- greatest id of a row that is applied.
CREATE TABLE IF NOT EXISTS bitdex_cursors (
    replica_id TEXT PRIMARY KEY,
    last_outbox_id BIGINT NOT NULL DEFAULT 0,
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- step columns of bitdex_cursors
-- done when (SELECT count(*) FROM pg_attribute WHERE attrelid = 'bitdex_cursors'::regclass AND NOT attisdropped AND attname IN ('ownership', 'committed_offset', 'epoch', 'seq', 'source_clock', 'complete')) = 6
ALTER TABLE bitdex_cursors
    ADD COLUMN IF NOT EXISTS ownership BIGINT NOT NULL DEFAULT 0, -- how often a consumer began to own the partition
    ADD COLUMN IF NOT EXISTS committed_offset BIGINT,   -- the group's, where the rest stands
    ADD COLUMN IF NOT EXISTS epoch BIGINT,
    ADD COLUMN IF NOT EXISTS seq BIGINT,
    ADD COLUMN IF NOT EXISTS source_clock TIMESTAMPTZ,  -- of the last watermark
    ADD COLUMN IF NOT EXISTS complete BOOLEAN;
