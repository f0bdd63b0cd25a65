"""Parents of entities along paths of links, several parents of one entity, and keys of several
columns: requests of all forms, loads and sums say what the tables say."""

import json
import random
import unittest

import index
import psycopg
import refreshes
import verdicts
from case import SEED, GalleryCase

IMAGES = 60
PARENTS = 12
BLOCKS = ["x", 'y"\\']
ROUNDS = 3

SCHEMA = """
CREATE TABLE image (id bigint PRIMARY KEY, post_id int, region char(6), lot int);
CREATE INDEX ON image (post_id, id);
CREATE TABLE post (id int PRIMARY KEY, rank int, hidden boolean);
CREATE TABLE model (id text PRIMARY KEY, level int, hidden boolean);
CREATE TABLE version (id smallint PRIMARY KEY, code uuid UNIQUE, model_id varchar(4), base text,
    hidden boolean);
CREATE INDEX ON version (model_id, code);
CREATE TABLE resource (image_id int, version_code uuid, note int);
CREATE INDEX ON resource (image_id);
CREATE INDEX ON resource (version_code, image_id);
CREATE TABLE used (image_id int, version_id int, note int) PARTITION BY HASH (image_id);
CREATE TABLE used_0 PARTITION OF used FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE used_1 PARTITION OF used FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON used (image_id);
CREATE TABLE tag (image_id int, tag int, source text);
CREATE INDEX ON tag (image_id);
CREATE TABLE place (region char(6), number numeric, title text, hidden boolean,
    PRIMARY KEY (region, number));
CREATE TABLE box (id int PRIMARY KEY, color text);
CREATE TABLE shelf (image_id int, box int);
CREATE UNIQUE INDEX shelf_slot ON shelf (image_id);
CREATE INDEX ON shelf (box, image_id);
CREATE TABLE lot (block text, number int, price int, PRIMARY KEY (block, number));
"""

# The last entry has no index for its child rows.
TRIGGERS = """
triggers:
  - { table: image, slot_field: id, sets_alive: true, on_delete: delete_slot,
      track_fields: [post_id, region, lot] }
  - { table: tag, slot_field: image_id, field: tags, value_field: tag }
  - { table: post, query: "post_id eq {id}", filter: "NOT {hidden}", track_fields: [rank],
      children: { table: image, fk: post_id, slot: id } }
  - { table: version, type: fan_out_per_row, filter: "NOT {hidden}", track_fields: [base],
      rows_from: { table: resource, fk: version_code, slot: image_id, parent_key: code } }
  - { table: model, type: fan_out_per_row, filter: "NOT {hidden}",
      track_fields: [level, "upper({id}) as model"],
      rows_from: [{ table: version, fk: model_id, key: code },
                  { table: resource, fk: version_code, slot: image_id }] }
  - { table: place, query: "region eq {region}", filter: "NOT {hidden}", track_fields: [title] }
  - { table: lot, query: "lot in {lots}", query_source: "SELECT ARRAY[{number}, -1] AS lots",
      track_fields: [price] }
  - { table: shelf, slot_field: image_id, track_fields: [box] }
  - { table: box, query: "box eq {id}", track_fields: [color],
      children: { table: shelf, fk: box, slot: image_id } }
  - { table: model, type: fan_out_per_row, track_fields: [{ column: level, target: use }],
      rows_from: [{ table: version, fk: model_id, key: id },
                  { table: used, fk: version_id, slot: image_id }] }
"""

FIELDS = {"post_id": "single_value", "region": "string", "lot": "single_value",
          "tags": "multi_value", "rank": "single_value", "base": "string", "level": "single_value",
          "model": "string", "title": "string", "price": "single_value", "use": "single_value",
          "box": "single_value", "color": "string"}

# The fields whose entities only the index knows.
PASSES = {"title", "price"}

TRUTH = """
SELECT image.id, jsonb_strip_nulls(jsonb_build_object('post_id', post_id, 'region', region,
    'lot', lot, 'rank', CASE WHEN NOT post.hidden THEN rank END,
    'tags', (SELECT jsonb_agg(DISTINCT tag ORDER BY tag) FROM tag WHERE image_id = image.id),
    'base', (SELECT base FROM resource JOIN version ON code = version_code
        WHERE image_id = image.id AND NOT hidden ORDER BY code DESC LIMIT 1),
    'level', (SELECT level FROM resource JOIN version ON code = version_code JOIN model
        ON model.id = model_id WHERE image_id = image.id AND NOT model.hidden
        ORDER BY model.id DESC LIMIT 1),
    'model', (SELECT upper(model.id) FROM resource JOIN version ON code = version_code JOIN model
        ON model.id = model_id WHERE image_id = image.id AND NOT model.hidden
        ORDER BY model.id DESC LIMIT 1),
    'use', (SELECT level FROM used JOIN version ON version.id = version_id JOIN model
        ON model.id = model_id WHERE image_id = image.id ORDER BY model.id DESC LIMIT 1),
    'box', box, 'color', color,
    'title', (SELECT title FROM place WHERE place.region = image.region AND NOT hidden
        ORDER BY number DESC LIMIT 1),
    'price', (SELECT price FROM lot AS parent WHERE parent.number = image.lot
        ORDER BY block DESC LIMIT 1)))
FROM image LEFT JOIN post ON post.id = post_id
LEFT JOIN shelf ON shelf.image_id = image.id LEFT JOIN box ON box.id = box
"""


class Paths(GalleryCase):
    def setUp(self):
        super().setUp()
        fields = "".join(
            f"    - {{ name: {name}, field_type: {kind} }}\n" for name, kind in FIELDS.items())
        self.create_schema(SCHEMA, f"{TRIGGERS}\nindex_config:\n  filter_fields:\n{fields}")
        self.rng = random.Random(SEED)
        self.maxDiff = None

    def silently(self, statements):
        """Runs them without their ops rows. (The producer notices triggers that are disabled.)"""
        with self.connection.transaction():
            for statement in statements:
                self.execute(statement)
            refreshes.forget_ops(self.connection)

    def number(self, most=PARENTS):
        return self.rng.randrange(1, most + 1)

    def flag(self):
        return self.rng.choice(["true", "false", "false"])

    def code(self, version):
        return f"md5('{version}')::uuid"

    def change(self):
        """A statement that changes one row of one table, in any way."""
        rng, number = self.rng, self.number
        image, version, model = number(IMAGES), number(), number(PARENTS // 2)
        code = self.code(version)
        region, block = rng.choice(["'a'", "'b'", "'ü'"]), rng.choice(BLOCKS)
        return rng.choice([
            f"INSERT INTO image VALUES ({image}, {number()}, {rng.choice([region, 'NULL'])},"
            f" {number()}) ON CONFLICT (id) DO UPDATE SET post_id = excluded.post_id,"
            " lot = excluded.lot",
            f"DELETE FROM image WHERE id = {image}",
            f"UPDATE image SET post_id = {rng.choice(['NULL', number()])} WHERE id = {image}",
            f"INSERT INTO tag VALUES ({image}, {number(3)}, '{rng.random()}')",
            f"DELETE FROM tag WHERE image_id = {image} AND tag = {number(3)}",
            f"INSERT INTO post VALUES ({number()}, {number()}, {self.flag()}) ON CONFLICT (id)"
            " DO UPDATE SET rank = excluded.rank, hidden = excluded.hidden",
            f"DELETE FROM post WHERE id = {number()}",
            f"INSERT INTO model VALUES ('m{model}', {number()}, {self.flag()}) ON CONFLICT (id)"
            " DO UPDATE SET level = excluded.level, hidden = excluded.hidden",
            f"DELETE FROM model WHERE id = 'm{model}'",
            f"INSERT INTO version VALUES ({version}, {code}, 'm{model}', 'b{number()}',"
            f" {self.flag()}) ON CONFLICT (id) DO UPDATE SET base = excluded.base,"
            " hidden = excluded.hidden, model_id = excluded.model_id",
            f"UPDATE version SET model_id = {rng.choice(['NULL', repr(f'm{model}')])}"
            f" WHERE id = {version}",
            f"DELETE FROM version WHERE id = {version}",
            f"INSERT INTO resource VALUES ({image}, {code})",
            f"INSERT INTO resource VALUES ({image}, {code}), ({number(IMAGES)}, {code})",
            f"UPDATE resource SET version_code = {rng.choice(['NULL', code])}"
            f" WHERE image_id = {image}",
            f"DELETE FROM resource WHERE image_id = {image} AND version_code = {code}",
            f"INSERT INTO used VALUES ({image}, {version}), ({image}, {number()})",
            f"DELETE FROM used WHERE image_id = {image}",
            f"INSERT INTO place VALUES ({region}, {number(2)}.5, 't{number()}', {self.flag()})"
            " ON CONFLICT (region, number) DO UPDATE SET title = excluded.title,"
            " hidden = excluded.hidden",
            f"DELETE FROM place WHERE number = {number(2)}.5",
            f"INSERT INTO lot VALUES ('{block}', {number()}, {number()})"
            " ON CONFLICT (block, number) DO UPDATE SET price = excluded.price",
            f"INSERT INTO box VALUES ({number()}, 'c{number()}') ON CONFLICT (id)"
            " DO UPDATE SET color = excluded.color",
            f"DELETE FROM box WHERE id = {number()}",
            f"INSERT INTO shelf VALUES ({image}, {number()}) ON CONFLICT (image_id)"
            " DO UPDATE SET box = excluded.box",
            f"DELETE FROM shelf WHERE image_id = {image}",
            f"DELETE FROM lot WHERE block = '{block}' AND number = {number()}",
        ])

    def requests(self):
        """[(entity, ops)] for everything, in one form or another."""
        rng = self.rng
        versions = [self.execute(f"SELECT {self.code(n)}::text").fetchone()[0]
                    for n in range(1, PARENTS + 1)]
        rows = []
        for image in range(1, IMAGES + 1):
            rows += [(image, ops) for ops in self.requests_of(image)]
        keys = [
            ("post.rank", list(range(1, PARENTS + 1))),
            ("version.base", versions),
            ("box.color", list(range(1, PARENTS + 1))),
            ("model.level", [f"m{n}" for n in range(1, PARENTS)]),
            ("model.model", ["none", "m1"]),
            ("model.level/1", versions),
            ("model.use", [f"m{n}" for n in range(1, PARENTS)]),
            ("model.use/1", list(range(1, PARENTS + 1))),
            ("place.title", [json.dumps([region.ljust(6), number + 0.5])
                             for region in ("a", "b", "ü") for number in (1, 2)]),
            ("lot.price", [json.dumps([block, number]) for block in BLOCKS
                           for number in range(1, PARENTS + 1)]),
        ]
        parents = [refreshes.parent(entry, key) for entry, some in keys for key in some]
        rng.shuffle(parents)
        while parents:
            count = rng.choice([1, 1, 3])
            rows.append((0, parents[:count]))
            del parents[:count]
        rng.shuffle(rows)
        return rows

    def requests_of(self, image):
        child = refreshes.child
        entries = ["image.lot", "tag.tags", "shelf.box"]
        exists = self.execute(f"SELECT FROM image WHERE id = {image}").rowcount > 0
        was_known = (image in self.known) == exists
        return [[refreshes.whole()]] if not was_known else self.rng.choice([
            [[refreshes.whole()]],
            [[refreshes.whole("lot", "tags", "region", "box")]],
            [[child(entry)] for entry in entries],
            [[child(entry) for entry in [*entries, "model.level", "post.rank"]]],
        ])

    def ask_for_children(self):
        """Requests by slot for all that images show of parents, in one form or another."""
        entries = ["post.rank", "version.base", "model.level", "model.use", "box.color"]
        for image in range(1, IMAGES + 1):
            rows = self.rng.choice([
                [[refreshes.child(entry)] for entry in entries],
                [[refreshes.child(entry) for entry in entries]],
                [[refreshes.child(entries[0]), refreshes.child(entries[2])],
                 [refreshes.whole("base", "use", "color")]],
            ])
            for ops in rows:
                refreshes.insert(self.connection, image, *ops)

    def differing(self, fields):
        """The images of which the index shows something else than the tables."""
        self.pipeline.wait_until_fresh()
        truth = dict(self.execute(TRUTH).fetchall())
        owners = index.read_owners([self.pipeline.consumer])
        entities = index.read_entities(owners, list(range(1, IMAGES + 1)))
        found = {}
        for image, answer in entities.items():
            shown = {k: v for k, v in answer["fields"].items() if k in fields}
            wanted = {k: v for k, v in truth.get(image, {}).items() if k in fields}
            if answer["alive"] != (image in truth) or (image in truth and shown != wanted):
                found[image] = (answer["alive"], shown, wanted)
        return found

    def check(self, fields=frozenset(FIELDS)):
        where = f"BITDEX_SEED={SEED}"
        self.assertEqual(self.differing(fields), {}, where)
        for partition, verdict in verdicts.verify(self.pipeline, self.connection):
            self.assertEqual(verdict["differing"], [], (where, partition, verdict))
            self.assertEqual(set(verdict["equal"]), {"", *FIELDS} - PASSES, (where, verdict))

    def fill(self):
        self.silently(self.change() for _ in range(12 * IMAGES))
        self.pipeline.producer.command("load")

    def test_requests_of_every_level_equal_a_load(self):
        """After changes that no trigger told, what parents and rows of links between them ask for
        restores every entity that they reach, as a load does: with several parents, some of which
        the filter excludes (F94), along paths, with rows that refer to nothing."""
        self.pipeline.start()
        self.fill()
        self.check()
        for _ in range(ROUNDS):
            self.known = {row[0] for row in self.execute("SELECT id FROM image")}
            self.silently(self.change() for _ in range(IMAGES))
            for entity, ops in self.requests():
                refreshes.insert(self.connection, entity, *ops)
            self.ask_for_children()
            self.check(set(FIELDS) - PASSES)

    def test_triggers_ask_for_what_they_cannot_say(self):
        """After statements on all tables, in transactions that overlap, the index shows what the
        tables say."""
        self.pipeline.start()
        with self.pipeline.connect() as other:
            for connection in (self.connection, other):
                connection.execute("SET lock_timeout = '5ms'")
            for _ in range(10 * IMAGES):
                self.try_change(self.connection)
                self.try_change(other)
                if self.rng.random() < 0.2:
                    self.rng.choice([other.commit, other.commit, other.rollback])()
        self.check(set(FIELDS) - PASSES)

    def try_change(self, connection):
        """A change, unless it waits for the other connection."""
        try:
            with connection.transaction():
                connection.execute(self.change())
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation):
            pass

    def test_parents_alone(self):
        """Nobody but the parents is asked: their children have not changed."""
        self.pipeline.start()
        self.fill()
        for _ in range(ROUNDS):
            self.known = set()
            self.silently(
                statement for statement in (self.change() for _ in range(3 * IMAGES))
                if statement.split()[2].split("(")[0] in ("post", "model", "place", "lot", "box"))
            for entity, ops in self.requests():
                if entity == 0:
                    refreshes.insert(self.connection, entity, *ops)
            self.check()

    def test_f94_a_parent_that_the_filter_excludes(self):
        """It clears no value of another parent: when its row is asked for, and when the child row
        that refers to it is gone."""
        self.pipeline.start()
        self.silently([
            "INSERT INTO image SELECT n FROM generate_series(1, 3) AS n",
            "INSERT INTO model VALUES ('m1', 10, false), ('m2', 20, true)",
            *(f"INSERT INTO version VALUES ({n}, {self.code(n)}, 'm{n}', 'b{n}',"
              f" {n == self.last()})" for n in (1, 2)),
            *(f"INSERT INTO resource VALUES ({image}, {self.code(n)})"
              for image in (1, 2, 3) for n in (1, 2)),
        ])
        self.pipeline.producer.command("load")
        self.check()
        self.silently(["UPDATE version SET base = 'hidden' WHERE hidden"])
        refreshes.insert(self.connection, 0, *self.parents_of_all())
        self.check()
        self.silently([f"DELETE FROM resource WHERE image_id = 1 AND version_code ="
                       f" {self.code(self.last())}"])
        refreshes.insert(self.connection, 1, refreshes.child("version.base"),
                         refreshes.child("model.level"))
        self.check()
        shown = index.read_entities(index.read_owners([self.pipeline.consumer]), [1, 2])
        self.assertEqual([shown[n]["fields"].get("level") for n in (1, 2)], [10, 10])

    def last(self):
        """Of the versions 1 and 2, the one that counts unless the filter excludes it."""
        return self.execute(
            f"SELECT CASE WHEN {self.code(1)} > {self.code(2)} THEN 1 ELSE 2 END").fetchone()[0]

    def parents_of_all(self):
        codes = [self.execute(f"SELECT {self.code(n)}::text").fetchone()[0] for n in (1, 2)]
        return [refreshes.parent(entry, key) for entry, some in (
            ("version.base", codes), ("model.level", ["m1", "m2"]), ("model.level/1", codes)
        ) for key in some]

    def test_what_cannot_be_compared_is_said(self):
        """Where nothing proves that an entity has one parent by query, and where no index finds a
        parent, `verify` says why it does not compare the field."""
        self.pipeline.start()
        self.fill()
        self.execute("DROP INDEX shelf_slot; CREATE INDEX ON shelf (image_id)")
        self.execute("ALTER TABLE version DROP CONSTRAINT version_code_key")
        for partition, verdict in verdicts.verify(self.pipeline, self.connection):
            self.assertEqual(verdict["differing"], [], (partition, verdict))
            self.assertEqual(set(verdict["equal"]) & {"color", "base", "level", "model"},
                             set())
        said = self.pipeline.producer.command("verify", check=False, is_patient=True).stdout
        self.assertRegex(said, "color.*an entity may have several rows of table box")
        self.assertRegex(said, "base.*no index begins with the key of a parent: CREATE INDEX")

    def test_bad_keys(self):
        """A key that is not one of the columns is answered, with a letter that says why, and
        stops nothing."""
        self.pipeline.start()
        self.fill()
        sessions = self.sessions()
        bad = ["a", "[1]", '["a", 1, 2]', '["a", null]', '{"a": 1}', '["a", "x"]', "[",
               '[["a"], 1]']
        for key in bad:
            refreshes.insert(self.connection, 0, refreshes.parent("place.title", key),
                             refreshes.parent("model.use/1", "m1"))
        self.silently(["UPDATE post SET rank = 77"])
        refreshes.insert(self.connection, 0, *(
            refreshes.parent("post.rank", n) for n in range(1, PARENTS + 1)))
        self.check()
        letters = self.pipeline.producer.command("dead-letters", "list").stdout
        self.assertIn("not a JSON array of 2 texts or numbers", letters)
        self.assertIn("parent m1", letters)
        self.assertEqual(self.sessions(), sessions)

    def sessions(self):
        return self.pipeline.producer.api.get("/api/status")["sessions"]


if __name__ == "__main__":
    unittest.main()
