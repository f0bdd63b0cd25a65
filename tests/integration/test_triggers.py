"""Generated triggers write what the configuration says, and the database follows it."""

import random
import threading
import time
import unittest

import gallery
import psycopg
import replay
from case import SEED, GalleryCase
from pipeline import ROOT

SCHEMA = """
CREATE SCHEMA shop;
CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE DOMAIN rank AS integer CHECK (VALUE < 1000);
CREATE TABLE post (id bigint PRIMARY KEY, published timestamptz, availability text, note text);
CREATE TABLE album (id integer PRIMARY KEY, title text, rated date);
CREATE TABLE image (
    id bigint PRIMARY KEY, level rank, "order" text, kind mood, price numeric,
    scanned timestamp, created timestamptz, flags integer NOT NULL DEFAULT 0, data jsonb,
    labels text[], post_id bigint, album_id integer, url text);
CREATE INDEX ON image (album_id);
CREATE TABLE shop."Tags on" (
    image_id bigint REFERENCES image ON DELETE CASCADE ON UPDATE CASCADE,
    tag integer, off boolean NOT NULL DEFAULT false);
CREATE TABLE shop.tool (
    image_id bigint REFERENCES image ON DELETE CASCADE ON UPDATE CASCADE,
    tool smallint, power integer, PRIMARY KEY (image_id, tool));
CREATE TABLE part (
    id bigint REFERENCES image ON DELETE CASCADE ON UPDATE CASCADE,
    bucket integer, score double precision, PRIMARY KEY (id, bucket)) PARTITION BY LIST (bucket);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
"""

TRIGGERS = """
triggers:
  - table: image
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [level, order, kind, price, scanned, data, labels, post_id,
      "COALESCE({order}, 'no {order}') as title_of",
      { column: created, target: created_at }]
    computed_fields: ["({flags} & 1) = 1 as odd", "CAST({flags} AS text) || '{flags}' as flagged"]
  - { table: "shop.Tags on", slot_field: image_id, field: tags, value_field: tag,
      filter: "NOT {off}" }
  - { table: shop.tool, slot_field: image_id, field: tools, value_field: tool,
      computed_fields: ["CASE WHEN {power} > 5 THEN {power} END as powers"] }
  - { table: part, slot_field: id, track_fields: [score], filter: "{score} <> 3" }
  - table: post
    query: "post_id eq {id}"
    track_fields: [published, availability]
    filter: "{availability} <> 'draft'"
    children: { table: image, fk: post_id, slot: id }
  - { table: album, type: fan_out_per_row, rows_from: { table: image, fk: album_id, slot: id },
      track_fields: [title, rated] }
"""

MULTI = {"labels", "tags", "tools", "powers"}
FIELDS = """
index_config:
  filter_fields:
    - { name: labels, field_type: multi_value }
    - { name: tags, field_type: multi_value }
    - { name: tools, field_type: multi_value }
    - { name: powers, field_type: multi_value }
""" + "".join(
    f"    - {{ name: {name}, field_type: single_value }}\n"
    for name in "level order kind price scanned data post_id title_of created_at odd flagged score "
    "published availability title rated".split()
)

TRUTH = """
SELECT image.id, jsonb_build_object(
    'level', level, 'order', "order", 'kind', kind, 'price', price, 'post_id', post_id,
    'scanned', floor(extract(epoch FROM scanned))::bigint,
    'created_at', floor(extract(epoch FROM created))::bigint,
    'data', CASE jsonb_typeof(data) WHEN 'object' THEN to_jsonb(data::text) ELSE data END,
    'labels', to_jsonb(ARRAY(SELECT DISTINCT l FROM unnest(labels) AS l WHERE l IS NOT NULL)),
    'title_of', coalesce("order", 'no {order}'), 'odd', flags & 1 = 1,
    'flagged', flags || '{flags}',
    'tags', (SELECT jsonb_agg(DISTINCT tag) FROM shop."Tags on" WHERE image_id = image.id
        AND NOT off AND tag IS NOT NULL),
    'tools', (SELECT jsonb_agg(tool) FROM shop.tool WHERE image_id = image.id),
    'powers', (SELECT jsonb_agg(DISTINCT power) FROM shop.tool WHERE image_id = image.id
        AND power > 5),
    'score', (SELECT score FROM part WHERE part.id = image.id AND score <> 3),
    'published', floor(extract(epoch FROM published))::bigint, 'availability', availability,
    'title', title, 'rated', floor(extract(epoch FROM rated))::bigint)
FROM image LEFT JOIN post ON post.id = post_id AND availability <> 'draft'
    LEFT JOIN album ON album.id = album_id
"""


class TriggerCase(GalleryCase):
    def setUp(self):
        super().setUp()
        self.pipeline.init()
        self.connection = self.pipeline.connect(autocommit=True)
        self.addCleanup(self.connection.close)
        self.execute = self.connection.execute

    def configure(self, triggers, fields=""):
        """Instead of the gallery's entries."""
        head = (ROOT / "config" / "gallery.yaml").read_text().split("\n# The tables")[0]
        self.pipeline.config.write_text(head + triggers + fields)

    def triggers(self, command, check=True):
        return self.pipeline.producer.command("triggers", command, check=check)

    def one_table(self, columns, entry, name="image"):
        """A table and its entry, applied."""
        self.execute(f"CREATE TABLE {name} ({columns})")
        self.configure(f"\ntriggers:\n  - {entry}\n")
        self.triggers("apply")

    def ops(self):
        """[(entity, ops)] since the last time."""
        return self.execute(
            'WITH gone AS (DELETE FROM "BitdexOps" RETURNING *)'
            " SELECT entity_id, ops FROM gone ORDER BY id"
        ).fetchall()


class Differential(TriggerCase):
    """Random statements in random transactions against the query that defines the index."""

    def setUp(self):
        super().setUp()
        self.execute(SCHEMA)
        self.configure(TRIGGERS, FIELDS)
        self.triggers("apply")
        self.replay = replay.Replay(MULTI)

    def check(self, context=""):
        self.replay.read(self.connection)
        truth = {key: replay.present(value) for key, value in self.execute(TRUTH)}
        self.maxDiff = None
        self.assertEqual(self.replay.entities(), truth, context)

    def test_f15_f16_f21_f22_random_statements(self):
        """After every transaction the ops amount to what the tables hold."""
        rng = random.Random(SEED)
        statements = Statements(rng, self.connection.info.server_version)
        done = 0
        for number in range(400):
            log = []
            try:
                with self.connection.transaction():
                    if rng.random() < 0.1:
                        self.execute("SET LOCAL session_replication_role = replica")
                        log.append("replica")
                    if rng.random() < 0.3:
                        self.execute("SET LOCAL timezone = 'Asia/Kathmandu'")
                    for _ in range(rng.choice([1, 1, 2, 4])):
                        self.run_one(statements, log)
                    if rng.random() < 0.15:
                        raise psycopg.Rollback
            except psycopg.errors.IntegrityError:
                continue
            done += 1
            if number % 3 == 0:
                self.check(f"BITDEX_SEED={SEED}, transaction {number}: {log}")
        self.assertGreater(done, 200)
        self.check(f"BITDEX_SEED={SEED}")
        images = self.execute("SELECT count(*) FROM image").fetchone()
        self.assertGreater(images[0], 3)

    def run_one(self, statements, log):
        """A statement, now and then in a savepoint that may be rolled back."""
        if log and log[0] == "replica":
            statement = statements.without_keys()
        else:
            statement = statements.any()
        log.append(statement)
        if statements.rng.random() > 0.1:
            self.run_statement(statement)
            return
        try:
            with self.connection.transaction():
                self.run_statement(statement)
                if statements.rng.random() < 0.5:
                    raise psycopg.Rollback
        except psycopg.errors.IntegrityError:
            pass

    def run_statement(self, statement):
        head, _, rows = statement.partition("\n")
        if not rows:
            self.execute(statement)
            return
        with self.connection.cursor().copy(head) as copy:
            copy.write(rows)


class Statements:
    def __init__(self, rng, server_version):
        self.rng = rng
        self._has_merge = server_version >= 150000

    def _id(self):
        return self.rng.randrange(1, 25)

    def _parent(self):
        return self.rng.choice(["NULL", *map(str, range(1, 6))])

    def _text(self):
        return self.rng.choice(["NULL", "'it''s \"a\"'", "'b'", "'{order}'", r"'\'"])

    def _moment(self):
        return self.rng.choice(["NULL", "'1969-12-31 23:59:59.5'", "'2024-02-29 12:00:00.9'",
                                f"to_timestamp({self.rng.randrange(3)})"])

    def _image_change(self):
        rng = self.rng
        return rng.choice([
            f"level = {rng.choice(['NULL', '-5', '0', '7'])}",
            f'"order" = {self._text()}',
            f"kind = {rng.choice(['NULL', 'calm', 'wild'])}".replace("calm", "'calm'").replace(
                "wild", "'wild'"),
            f"price = {rng.choice(['NULL', '1.50', '1.5', '-3'])}",
            f"scanned = {self._moment()}",
            f"created = {self._moment()}",
            f"flags = flags # {rng.randrange(4)}",
            "data = " + rng.choice(["NULL", "'null'", "'5'", "'\"x\"'", "'{\"a\": 1}'", "'true'"]),
            "labels = " + rng.choice(["NULL", "'{}'", "'{a,NULL}'", "'{b,a}'", "'{\"x,y\"}'"]),
            f"post_id = {self._parent()}, album_id = {self._parent()}",
            f"post_id = {self._parent()}",
            "url = 'other'",
        ])

    def _images(self):
        return self.rng.choice([f"id = {self._id()}", f"id % 3 = {self.rng.randrange(3)}",
                                f"post_id = {self._parent()}"])

    def _new_image(self):
        return (f"({self._id()}, {self._text()}, {self._moment()}, {self._parent()}, "
                f"{self._parent()}, '{{a}}')")

    def without_keys(self):
        """What leaves no row of one image to another: foreign keys may be off."""
        rng = self.rng
        return rng.choice([
            f"UPDATE image SET {self._image_change()} WHERE {self._images()}",
            f'UPDATE shop."Tags on" SET off = NOT off WHERE image_id = {self._id()}',
            f'DELETE FROM shop."Tags on" WHERE tag = {rng.randrange(4)}',
            *self._posts(), *self._albums(),
        ])

    def _posts(self):
        rng = self.rng
        availability = rng.choice(["'draft'", "'public'", "'private'", "NULL"])
        return [
            f"INSERT INTO post VALUES ({rng.randrange(1, 6)}, {self._moment()}, {availability}) "
            "ON CONFLICT (id) DO UPDATE SET published = excluded.published",
            f"UPDATE post SET published = {self._moment()}, availability = {availability} "
            f"WHERE id <= {rng.randrange(1, 6)}",
            f"UPDATE post SET id = {rng.randrange(1, 6)} WHERE id = {rng.randrange(1, 6)}",
            "UPDATE post SET note = 'nothing of ours'",
            f"DELETE FROM post WHERE id = {rng.randrange(1, 6)}",
        ]

    def _albums(self):
        rng = self.rng
        return [
            f"INSERT INTO album VALUES ({rng.randrange(1, 6)}, {self._text()}, '2020-01-01') "
            "ON CONFLICT (id) DO NOTHING",
            f"UPDATE album SET title = {self._text()} WHERE id <= {rng.randrange(1, 6)}",
            f"UPDATE album SET id = {rng.randrange(1, 6)}, rated = NULL "
            f"WHERE id = {rng.randrange(1, 6)}",
            f"DELETE FROM album WHERE id = {rng.randrange(1, 6)}",
        ]

    def any(self):
        rng = self.rng
        columns = '(id, "order", created, post_id, album_id, labels)'
        tag, table = rng.randrange(4), rng.choice(["part", f"part_{rng.randrange(2)}"])
        statements = [
            f"INSERT INTO image {columns} VALUES {self._new_image()} ON CONFLICT DO NOTHING",
            f"INSERT INTO image {columns} SELECT n, 'many', now(), n % 5, n % 4, NULL "
            f"FROM generate_series({self._id()}, 25) AS n "
            "WHERE NOT EXISTS (SELECT FROM image WHERE id = n) LIMIT 3",
            f"COPY image (id, post_id, level) FROM STDIN\n{self._id()}\t2\t\\N\n",
            f"UPDATE image SET {self._image_change()} WHERE {self._images()}",
            f"UPDATE image SET {self._image_change()} WHERE {self._images()}",
            f"UPDATE image SET id = {self._id()} WHERE id = {self._id()}",
            f"UPDATE image SET id = id + {rng.choice([-1, 1])}",
            f"DELETE FROM image WHERE {self._images()}",
            f"WITH gone AS (DELETE FROM image WHERE id = {self._id()} RETURNING *) "
            "INSERT INTO image SELECT * FROM gone",
            f'INSERT INTO shop."Tags on" SELECT id, {tag}, {tag} = 0 FROM image '
            f"WHERE {self._images()}",
            f'UPDATE shop."Tags on" SET tag = tag + 1 WHERE image_id = {self._id()}',
            f'UPDATE shop."Tags on" SET off = NOT off WHERE tag = {tag}',
            f'UPDATE shop."Tags on" SET image_id = {self._id()} WHERE tag = {tag}',
            f'DELETE FROM shop."Tags on" WHERE ctid IN (SELECT ctid FROM shop."Tags on" '
            "ORDER BY tag LIMIT 2)",
            f"INSERT INTO shop.tool SELECT id, {tag}, {rng.randrange(10)} FROM image "
            f"WHERE {self._images()} ON CONFLICT (image_id, tool) DO UPDATE SET power = 7",
            f"UPDATE shop.tool SET power = {rng.randrange(10)}, tool = tool + 1 "
            f"WHERE tool = {tag}",
            f"DELETE FROM shop.tool WHERE tool = {tag}",
            f"INSERT INTO part SELECT id, {rng.randrange(2)}, {tag} FROM image "
            f"WHERE {self._images()} AND NOT EXISTS (SELECT FROM part WHERE part.id = image.id)",
            f"UPDATE {table} SET score = {tag}",
            f"UPDATE part SET bucket = 1 - bucket WHERE id = {self._id()}",
            f"UPDATE part SET bucket = 1 - bucket, score = score + 1 WHERE id % 2 = 0",
            f"DELETE FROM part WHERE id = {self._id()}",
            *self._posts(), *self._albums(),
        ]
        if self._has_merge:
            image = self._id()
            statements.append(
                f"MERGE INTO image USING (VALUES ({image}), ({image % 24 + 1})) AS v(id) "
                "ON image.id = v.id WHEN MATCHED AND level = 7 THEN DELETE "
                f"WHEN MATCHED THEN UPDATE SET {self._image_change()} "
                "WHEN NOT MATCHED THEN INSERT (id, level, post_id) VALUES (v.id, 7, 1)"
            )
        return rng.choice(statements)


if __name__ == "__main__":
    unittest.main()
