-- A schema in which everything is wrong that `check` knows; wrong.yaml indexes it.

CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

CREATE TABLE post (id bigint PRIMARY KEY, rank integer);

-- Types that do not fit, a collation, triggers of the application, row security, an heir.
CREATE TABLE item (
    id       bigint PRIMARY KEY,
    level    text,
    price    numeric,
    rating   double precision,
    rows     bigint,
    title    text COLLATE caseless,
    poi      integer,
    sizes    numeric[],
    extra    jsonb
);
CREATE TRIGGER clamp BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION leave();
CREATE TRIGGER count_items AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION leave();
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
CREATE TABLE old_item () INHERITS (item);

-- No foreign key, no index, no unique key.
CREATE TABLE item_tag (item bigint, tag integer);

-- A foreign key that is checked at the end of the transaction, on a table that a crash empties.
CREATE UNLOGGED TABLE item_tool (
    item bigint REFERENCES item ON DELETE CASCADE DEFERRABLE,
    tool integer,
    PRIMARY KEY (item, tool)
);

-- Child rows: no index on the parent, several of one entity, a deferrable key.
CREATE TABLE image (
    id    bigint PRIMARY KEY,
    item  bigint REFERENCES item,
    post  bigint REFERENCES post DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX image_item ON image (item);

-- A parent without a key, which only the index resolves.
CREATE TABLE model (id bigint, safe boolean);

CREATE VIEW shown AS SELECT * FROM item_tag;
