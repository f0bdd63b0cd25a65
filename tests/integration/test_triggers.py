"""Generated triggers: the ops that they write, and how `triggers apply` changes the database."""

import itertools
import random
import time
import unittest

import gallery
import naive_index
import psycopg
from case import SECONDS, SEED, GalleryCase
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
    track_fields: [level, order, kind, price, scanned, data, labels, post_id, album_id,
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
    track_fields: [published]
    filter: "{availability} <> 'draft'"
    children: { table: image, fk: post_id, slot: id }
  - table: post
    query: "post_id in [{id}]"
    track_fields: [availability]
    filter: "{availability} <> 'draft'"
    children: { table: image, fk: post_id, slot: id }
  - { table: album, type: fan_out_per_row, rows_from: { table: image, fk: album_id, slot: id },
      track_fields: [title, rated] }
  - { table: album, query: "album_id eq {id}",
      track_fields: ["upper({title}) as shout"],
      children: { table: image, fk: album_id, slot: id } }
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
    for name in "level order kind price scanned data post_id album_id title_of created_at odd "
    "flagged score published availability title rated shout".split()
)

ENTRIES = {
    "image.level": ["", "level", "order", "kind", "price", "scanned", "data", "labels", "post_id",
                    "album_id", "title_of", "created_at", "odd", "flagged"],
    "shop.Tags on.tags": ["tags"], "shop.tool.tools": ["tools", "powers"], "part.score": ["score"],
    "post.published": ["published"], "post.availability": ["availability"],
    "album.title": ["title", "rated"], "album.shout": ["shout"],
}
KEYS = {"post.published": "post_id", "post.availability": "post_id", "album.title": "album_id",
        "album.shout": "album_id"}

TRUTH = """
SELECT image.id, jsonb_build_object(
    'level', level, 'order', "order", 'kind', kind, 'price', price, 'post_id', post_id,
    'album_id', album_id, 'shout', upper(title),
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
        """Replaces the gallery's entries in the configuration."""
        head = (ROOT / "config" / "gallery.yaml").read_text().split("\n# The tables")[0]
        self.pipeline.config.write_text(head + triggers + fields)

    def triggers(self, command, check=True):
        return self.pipeline.producer.command("triggers", command, check=check)

    def one_table(self, columns, entry, name="image"):
        """Creates one table and applies its entry."""
        self.execute(f"CREATE TABLE {name} ({columns})")
        self.configure(f"\ntriggers:\n  - {entry}\n")
        self.triggers("apply")

    def ops(self):
        """[(entity, ops)] of the rows since the last call."""
        return self.execute(
            'WITH gone AS (DELETE FROM "BitdexOps" RETURNING *)'
            " SELECT entity_id, ops FROM gone ORDER BY id"
        ).fetchall()


class Differential(TriggerCase):
    """Random statements in random transactions; a query defines what the index must hold."""

    def setUp(self):
        super().setUp()
        self.execute(SCHEMA)
        self.configure(TRIGGERS, FIELDS)
        self.triggers("apply")
        self.index = naive_index.NaiveIndex(MULTI, ENTRIES, KEYS)
        self.most = 0  # images at a check

    def check(self, context=""):
        truth = dict(self.execute(TRUTH).fetchall())
        self.most = max(self.most, len(truth))
        self.index.read(self.connection, truth)
        truth = {key: naive_index.present(value) for key, value in truth.items()}
        self.maxDiff = None
        self.assertEqual(self.index.entities(), truth, context)

    def test_f15_f16_f21_f22_random_statements(self):
        """After random statements in random transactions, an index that applies the ops equals the
        tables."""
        rng = random.Random(SEED)
        statements = Statements(rng, self.connection.info.server_version)
        done = 0
        end = time.monotonic() + SECONDS
        numbers = itertools.takewhile(
            lambda number: number < 400 or time.monotonic() < end, itertools.count())
        for number in numbers:
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
        self.assertGreater(self.most, 3)

    def run_one(self, statements, log):
        """Runs a random statement, sometimes in a savepoint that may be rolled back."""
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
        """A statement that breaks no foreign key, because their triggers are off in this session.
        """
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
            "ON CONFLICT (id) DO UPDATE SET title = excluded.title",
            f"UPDATE album SET title = {self._text()} WHERE id <= {rng.randrange(1, 6)}",
            f"UPDATE album SET id = {rng.randrange(1, 6)}, rated = NULL "
            f"WHERE id = {rng.randrange(1, 6)}",
            f"DELETE FROM album WHERE id = {rng.randrange(1, 6)}",
        ]

    def _copies(self, tag):
        """COPY into a table of each kind."""
        image, parent = self._id(), self.rng.randrange(1, 6)
        return [
            f"COPY image (id, post_id, album_id, level) FROM STDIN\n{image}\t2\t3\t\\N\n",
            f'COPY shop."Tags on" FROM STDIN\n{image}\t{tag}\tf\n{image}\t{tag + 1}\tt\n',
            f"COPY shop.tool FROM STDIN\n{image}\t{tag}\t9\n",
            f"COPY post (id, published) FROM STDIN\n{parent}\t2020-01-01\n",
            f"COPY album (id, title) FROM STDIN\n{parent}\tcopied\n",
        ]

    def _merges(self, tag):
        """MERGE into a table of each kind, with every action that it has."""
        image, parent = self._id(), self.rng.randrange(1, 6)
        return [
            f"MERGE INTO image USING (VALUES ({image}), ({image % 24 + 1})) AS v(id) "
            "ON image.id = v.id WHEN MATCHED AND level = 7 THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {self._image_change()} "
            "WHEN NOT MATCHED THEN INSERT (id, level, post_id) VALUES (v.id, 7, 1)",
            f'MERGE INTO shop."Tags on" AS t USING image AS v ON t.image_id = v.id AND tag = {tag} '
            "WHEN MATCHED AND t.off THEN DELETE WHEN MATCHED THEN UPDATE SET off = true "
            f"WHEN NOT MATCHED AND v.id = {image} THEN INSERT VALUES (v.id, {tag}, false)",
            f"MERGE INTO shop.tool AS t USING image AS v ON t.image_id = v.id AND tool = {tag} "
            "WHEN MATCHED AND power > 5 THEN DELETE WHEN MATCHED THEN UPDATE SET power = 8 "
            f"WHEN NOT MATCHED AND v.id = {image} THEN INSERT VALUES (v.id, {tag}, 6)",
            f"MERGE INTO post USING (VALUES ({parent}), ({parent % 5 + 1})) AS v(id) "
            "ON post.id = v.id WHEN MATCHED AND note = 'x' THEN DELETE "
            "WHEN MATCHED THEN UPDATE SET availability = 'private', note = 'x' "
            "WHEN NOT MATCHED THEN INSERT VALUES (v.id, now(), 'public', 'x')",
            f"MERGE INTO album USING (VALUES ({parent}), ({parent % 5 + 1})) AS v(id) "
            "ON album.id = v.id WHEN MATCHED AND title = 'x' THEN DELETE "
            "WHEN MATCHED THEN UPDATE SET title = 'x' "
            "WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'y', now())",
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
            rng.choice(self._copies(tag)),
            rng.choice(self._copies(tag)),
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
            f"INSERT INTO part SELECT id, 0, {tag} FROM image WHERE {self._images()} "
            "AND NOT EXISTS (SELECT FROM part_1 WHERE part_1.id = image.id) "
            "ON CONFLICT (id, bucket) DO UPDATE SET score = part.score + 1",
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
            statements += self._merges(tag)
        return rng.choice(statements)


class Kinds(TriggerCase):
    """The ops of single statements."""

    def test_f22_insert_makes_alive_and_update_does_not(self):
        """INSERT writes `alive`; UPDATE writes only the fields that changed; a new key asks for the
        old entity and writes the new one."""
        self.one_table("id int PRIMARY KEY, a int, b text, c int",
                       "{ table: image, slot_field: id, sets_alive: true, on_delete: true, "
                       "track_fields: [a, b] }")
        self.execute("INSERT INTO image VALUES (1, 5, NULL, 0)")
        self.execute("UPDATE image SET a = 6, b = 'x'")
        self.execute("UPDATE image SET b = NULL")
        self.execute("UPDATE image SET c = 1, a = a")
        self.execute("UPDATE image SET id = 2")
        self.execute("DELETE FROM image")
        whole = [{"op": "alive"}, {"op": "set", "field": "a", "value": 6},
                 {"op": "set", "field": "b", "value": None}]
        self.assertEqual(self.ops(), [
            (1, [{"op": "alive"}, {"op": "set", "field": "a", "value": 5},
                 {"op": "set", "field": "b", "value": None}]),
            (1, [{"op": "remove", "field": "a", "value": 5},
                 {"op": "set", "field": "a", "value": 6},
                 {"op": "set", "field": "b", "value": "x"}]),
            (1, [{"op": "remove", "field": "b", "value": "x"},
                 {"op": "set", "field": "b", "value": None}]),
            (1, [{"op": "refresh"}]), (2, whole), (2, [{"op": "delete"}]),
        ])

    def test_f15_join_row_moves_and_its_filter_flips(self):
        """A join row that gets another value, or meets its filter or no longer meets it, is removed
        and added; one that moves to another entity is asked for and added."""
        self.one_table("i int, t int, off bool, PRIMARY KEY (i, t)",
                       "{ table: image, slot_field: i, field: tags, value_field: t, "
                       "filter: 'NOT {off}' }")
        self.execute("INSERT INTO image VALUES (1, 5, false), (1, 6, true), (1, 7, NULL)")
        self.execute("UPDATE image SET i = 2 WHERE t = 5")
        self.execute("UPDATE image SET t = 8 WHERE t = 5")
        self.execute("UPDATE image SET off = NOT off")
        add, remove = ({"op": op, "field": "tags"} for op in ("add", "remove"))
        self.assertEqual(self.ops(), [
            (1, [add | {"value": 5}]),
            (1, [{"op": "refresh", "entry": "image.tags"}]), (2, [add | {"value": 5}]),
            (2, [remove | {"value": 5}, add | {"value": 8}]),
            (1, [add | {"value": 6}]), (2, [remove | {"value": 8}]),
        ])

    def test_f16_keys_that_are_swapped(self):
        """With a deferrable key, entities that swap their ids in one statement are not deleted."""
        self.one_table("id int PRIMARY KEY DEFERRABLE, a int",
                       "{ table: image, slot_field: id, sets_alive: true, on_delete: true, "
                       "track_fields: [a] }")
        self.execute("INSERT INTO image VALUES (1, 10), (2, 20), (3, 30)")
        self.execute("UPDATE image SET id = id % 3 + 1")
        self.execute("UPDATE image SET id = id + 1")
        truth = {key: {"a": value} for key, value in self.execute("SELECT id, a FROM image")}
        index = naive_index.NaiveIndex(entries={"image.a": ["", "a"]})
        index.read(self.connection, truth)
        self.assertEqual(index.entities(), truth)

    def test_f16_truncate_is_refused_or_written(self):
        """TRUNCATE is refused; with `on_truncate: emit` it asks for all rows of its entries."""
        self.execute(SCHEMA)
        self.configure(TRIGGERS, FIELDS)
        self.triggers("apply")
        tables = ["image CASCADE", 'shop."Tags on"', "shop.tool", "part", "part_0", "post", "album"]
        for table in tables:
            with self.assertRaisesRegex(psycopg.errors.RaiseException, "use DELETE"):
                self.execute(f"TRUNCATE {table}")
        self.configure(TRIGGERS.replace("table: ", "on_truncate: emit, table: ").replace(
            "- on_truncate: emit, table: ", "- table: ").replace(
            "    slot_field: id\n", "    slot_field: id\n    on_truncate: emit\n").replace(
            '    query: "', '    on_truncate: emit\n    query: "').replace(
            "- { table", "- { on_truncate: emit, table").replace(
            "{ on_truncate: emit, table: image, fk", "{ table: image, fk"), FIELDS)
        self.triggers("apply")
        index = naive_index.NaiveIndex(MULTI, ENTRIES, KEYS)
        for table in tables[1:] + tables[:1]:
            self.execute("INSERT INTO post VALUES (1, now(), 'public') ON CONFLICT DO NOTHING")
            self.execute("INSERT INTO album VALUES (1, 'a') ON CONFLICT DO NOTHING")
            self.execute("INSERT INTO image (id, post_id, album_id) SELECT n, 1, 1 FROM "
                         "generate_series(1, 3) AS n ON CONFLICT DO NOTHING")
            self.execute('INSERT INTO shop."Tags on" SELECT id, 2 FROM image')
            self.execute("INSERT INTO shop.tool SELECT id, 3, 8 FROM image ON CONFLICT DO NOTHING")
            self.execute("INSERT INTO part SELECT id, id % 2, 1.5 FROM image "
                         "ON CONFLICT DO NOTHING")
            self.execute(f"TRUNCATE {table}")
            truth = dict(self.execute(TRUTH).fetchall())
            index.read(self.connection, truth)
            truth = {key: naive_index.present(value) for key, value in truth.items()}
            self.assertEqual(index.entities(), truth, table)

    def test_f17_a_fan_out_asks_by_its_key(self):
        """A row of a fan-out asks for its entities by its primary key, whatever its query; a change
        of a column that its entry does not read writes nothing."""
        self.execute("CREATE TABLE model (id int, code text, poi bool, ids int[], name text, "
                     "PRIMARY KEY (code, id))")
        self.execute("CREATE TABLE version (id int, model int)")
        self.configure("""
triggers:
  - table: model
    query: "v in {ids}"
    query_source: 'SELECT jsonb_agg(id) AS ids FROM version WHERE model = {id}'
    track_fields: [poi]
  - { table: model, query: "w eq {name}", filter: "{name} <> ''", track_fields: [ids] }
""")
        self.triggers("apply")
        ops = [{"op": "refresh", "entry": f"model.{field}", "key": '["m\\"1", 7]'}
               for field in ("poi", "ids")]
        self.execute("""INSERT INTO model VALUES (7, 'm"1', true, '{4,NULL,5}', 'it"s')""")
        self.assertEqual(self.ops(), [(0, ops)])
        self.execute("UPDATE model SET poi = false")
        self.execute("UPDATE model SET name = ''")
        self.execute("UPDATE model SET name = NULL, ids = NULL")
        self.assertEqual(self.ops(), [(0, ops[:1]), (0, ops[1:])])
        self.execute("UPDATE model SET id = 8")
        self.execute("DELETE FROM model")
        new = ops[0] | {"key": '["m\\"1", 8]'}
        self.assertEqual(self.ops(), [(0, [ops[0], new]), (0, [new])])

    def test_f18_names(self):
        """Names may be reserved words, 63 bytes long, or contain dots, blanks, capitals and
        multibyte characters."""
        table = "Ω" * 30 + "T"
        self.execute(f'CREATE SCHEMA "My shop"; CREATE TABLE "My shop"."{table}" '
                     '("order" int PRIMARY KEY, "a.b" int, _had int, ops text, "$bitdex$" int)')
        self.configure(f"""
triggers:
  - table: "My shop.{table}"
    slot_field: order
    track_fields:
      - {{ column: "a.b", target: ab }}
      - {{ column: _had, target: had }}
      - ops
      - "'{{ops}} $bitdex$ ' || {{ops}} || E'\\\\'{{ops}}' /* {{ops}} */ as text"
""")
        self.triggers("apply")
        self.assertIn("nothing to do", self.triggers("apply").stdout)
        self.execute(f'INSERT INTO "My shop"."{table}" VALUES (1, 2, 3, \'x\')')
        self.assertEqual(self.ops()[0][1][-1]["value"], "{ops} $bitdex$ x'{ops}")
        self.triggers("drop")
        self.assertEqual(self.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'bitdex%'"
                                      ).fetchone(), (0,))

    def test_f20_session_that_replicates(self):
        """Triggers fire with session_replication_role = replica."""
        self.one_table("id int", "{ table: image, slot_field: id, sets_alive: true }")
        with self.connection.transaction():
            self.execute("SET LOCAL session_replication_role = replica")
            self.execute("INSERT INTO image VALUES (1)")
        self.assertEqual(self.ops(), [(1, [{"op": "alive"}])])

    def test_f14_f21_f84_values_of_every_type(self):
        """Values of every type are written correctly, both ways between value and NULL, from a role
        that may only write the table, with any session settings."""
        values = {
            "int8": ("-9223372036854775808", -9223372036854775808), "numeric": ("3.0", 3.0),
            "float4": ("0.5", 0.5), "float8": ("0.1::float8 + 0.2", 0.30000000000000004),
            "float8[]": ("ARRAY[0.1::float8 + 0.2]", [0.30000000000000004]),
            "bool": ("'f'", False), "char(3)": ("'a'", "a  "),
            "mood": ("'calm'", "calm"), "timestamptz": ("'1969-12-31 23:59:59.5Z'", -1),
            "timestamp": ("'1970-01-01 00:00:01.9'", 1), "date": ("'1970-01-02'", 86400),
            "timestamptz[]": ("ARRAY[NULL, 'epoch'::timestamptz]", ["1970-01-01 00:00:00+00"]),
            "date[]": ("'{1970-01-01}'", ["1970-01-01"]), "mood[]": ("'{wild,NULL}'", ["wild"]),
            "int[]": ("'{{1,2},{3,4}}'", [1, 2, 3, 4]), "text[]": ("'{}'", []),
            "json": ("'[1, 2]'", [1, 2]), "jsonb": ("'{\"a\": 1}'", '{"a": 1}'),
            "uuid": ("'00000000-0000-0000-0000-000000000001'",
                     "00000000-0000-0000-0000-000000000001"),
            "interval": ("'1 day'", "1 day"), "bytea": (r"'\x01'", r"\x01"),
            "point": ("'(1,2)'", "(1,2)"), "xml": ("'<a/>'", "<a/>"), "oid": ("5", "5"),
            "int4range": ("'[1,2)'", "[1,2)"), "rank": ("7", 7), "day": ("'1970-01-02'", 86400),
        }
        self.execute("CREATE TYPE mood AS ENUM ('calm', 'wild')")
        self.execute("CREATE DOMAIN rank AS int; CREATE DOMAIN day AS date")
        self.one_table("id int, " + ", ".join(f"f{n} {t}" for n, t in enumerate(values)),
                       "{ table: image, slot_field: id, track_fields: ["
                       + ", ".join(f"f{n}" for n in range(len(values))) + "] }")
        role = f"bitdex_app_{self.connection.info.backend_pid}"
        self.execute(f"CREATE ROLE {role}")
        self.addCleanup(self.execute, f"DROP OWNED BY {role}; DROP ROLE {role}")
        self.execute(f"GRANT INSERT, UPDATE, SELECT ON image TO {role}")
        rest = "id = 1"
        for setting, value in {"timezone": "Asia/Kathmandu", "datestyle": "German",
                               "intervalstyle": "iso_8601", "bytea_output": "escape",
                               "extra_float_digits": "-15", "search_path": "pg_temp",
                               "standard_conforming_strings": "off",
                               "quote_all_identifiers": "on",
                               "role": role}.items():
            self.execute(f"SET {setting} = '{value}'")
        self.execute("INSERT INTO public.image (id) VALUES (1)")
        for number, (literal, _) in enumerate(values.values()):
            self.execute(f"UPDATE public.image SET f{number} = {literal} WHERE {rest}")
            self.execute(f"UPDATE public.image SET f{number} = {literal}, id = id WHERE {rest}")
            self.execute(f"UPDATE public.image SET f{number} = NULL WHERE {rest}")
        self.execute("RESET role; RESET search_path")
        rows = self.ops()[1:]
        for number, (kind, (_, wanted)) in enumerate(values.items()):
            field = {"field": f"f{number}"}
            with self.subTest(kind):
                self.assertEqual(rows[2 * number], (1, [{"op": "set", "value": wanted} | field]))
                self.assertEqual(rows[2 * number + 1], (1, [
                    {"op": "remove", "value": wanted} | field, {"op": "set", "value": None} | field,
                ]))
        self.assertEqual(len(rows), 2 * len(values))

    def test_f21_infinite_time_fits_no_field(self):
        """An infinite time is written as an invalid value. It becomes a dead letter and does not
        fail the application's statement."""
        self.one_table("id int, a timestamptz, b date",
                       "{ table: image, slot_field: id, track_fields: [a, b] }")
        self.execute("INSERT INTO image VALUES (1, 'infinity', '-infinity')")
        self.assertEqual([op["value"] for op in self.ops()[0][1]],
                         [{"invalid": "a time that is infinite"}] * 2)


class Columns(TriggerCase):
    """Columns are renamed and dropped, and have types of the application's."""

    def test_f91_names_are_exchanged_after_an_older_snapshot(self):
        """A snapshot older than our objects and than a rename, in a session whose settings change
        what literals mean and how names are printed."""
        self.execute("CREATE TABLE image (id bigint PRIMARY KEY, level int, \"a _row.b\" int)")
        self.configure("""
triggers:
  - { table: image, slot_field: id, track_fields: [level, "{a _row.b} as other"] }
""")
        with self.pipeline.connect() as older:
            older.execute("SET standard_conforming_strings = off; SET quote_all_identifiers = on")
            older.commit()
            older.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            older.execute("SELECT FROM pg_class")
            self.triggers("apply")
            self.execute("ALTER TABLE image RENAME COLUMN level TO aside;"
                         'ALTER TABLE image RENAME COLUMN "a _row.b" TO level;'
                         'ALTER TABLE image RENAME COLUMN aside TO "_row.b"" \\"')
            older.execute("INSERT INTO image SELECT number, 10, 20"
                          " FROM generate_series(1, 20) AS number")
            older.commit()
            older.execute("UPDATE image SET level = 21 WHERE id = 20")
            older.commit()
        *inserted, updated = self.ops()
        self.assertEqual([ops for _, ops in inserted], 20 * [[
            {"op": "set", "field": "level", "value": 10},
            {"op": "set", "field": "other", "value": 20}]])
        self.assertEqual(updated[1][-1], {"op": "set", "field": "other", "value": 21})

    def test_f91_a_parent_loses_its_id(self):
        """The id is in the requests of a parent, and no key of theirs: without it the application
        writes on, as without any other column that is read."""
        self.execute("CREATE TABLE post (id bigint PRIMARY KEY, code int UNIQUE, rank int);"
                     "CREATE TABLE image (id bigint PRIMARY KEY, code int);"
                     "CREATE INDEX ON image (code)")
        self.configure("""
triggers:
  - { table: image, slot_field: id, sets_alive: true, track_fields: ["{code} as code"] }
  - { table: post, track_fields: [rank],
      rows_from: { table: image, fk: code, parent_key: code, slot: id } }
""")
        self.triggers("apply")
        self.execute("ALTER TABLE post DROP COLUMN id CASCADE")
        self.execute("INSERT INTO post VALUES (1, 1)")
        self.execute("UPDATE post SET rank = 2")
        self.execute("DELETE FROM post")
        self.assertEqual(self.ops(), [])
        self.assertIn("+ trigger", self.triggers("diff", check=False).stdout)

    def test_l12_types_of_the_application(self):
        """Domains that refuse null, as a value that is looked for and as a partition key, and an
        enum whose name and schema change."""
        self.execute("""
            CREATE SCHEMA mine;
            CREATE TYPE mine.mood AS ENUM ('calm', 'wild');
            CREATE DOMAIN mine.sure AS mine.mood NOT NULL;
            CREATE DOMAIN mine.number AS int NOT NULL CHECK (VALUE > 0);
            CREATE TABLE image (id mine.number, part mine.number, level mine.sure)
                PARTITION BY LIST (part);
            CREATE TABLE image_1 PARTITION OF image FOR VALUES IN (1);
            CREATE TABLE tag (image bigint, tag mine.number, PRIMARY KEY (image, tag));
            CREATE TABLE mood (image bigint, mood mine.mood, PRIMARY KEY (image, mood));
            CREATE TABLE sure (image bigint, sure mine.sure)""")
        self.configure("""
triggers:
  - { table: image, slot_field: id, track_fields: [level] }
  - { table: tag, slot_field: image, field: tags, value_field: tag }
  - { table: mood, slot_field: image, field: moods, value_field: mood }
  - { table: sure, slot_field: image, field: sures, value_field: sure }
""")
        self.triggers("apply")
        self.execute("ALTER TYPE mine.mood RENAME TO temper; ALTER SCHEMA mine RENAME TO ours")
        with self.pipeline.connect() as other:
            for table, first, second in [("image", "(1, 1, 'calm')", "level = 'wild'"),
                                         ("tag", "(1, 5)", "tag = 6"),
                                         ("mood", "(1, 'calm')", "mood = 'wild'"),
                                         ("sure", "(1, 'calm')", "sure = 'wild'")]:
                other.execute(f"INSERT INTO {table} VALUES {first}")
                other.execute(f"UPDATE {table} SET {second}")
                other.execute(f"DELETE FROM {table}")
        ops = [op for _, ops in self.ops() for op in ops]
        self.assertEqual([op["value"] for op in ops if op["op"] in ("set", "add")],
                         ["calm", "wild", 5, 6, "calm", "wild", "calm", "wild"])


class Races(TriggerCase):
    """F32: a child and its parent change in two transactions that are open at the same time."""

    PARENT = {
        "by_query": "{ table: post, query: 'post_id eq {id}', track_fields: [state], "
        "children: { table: image, fk: post_id, slot: id } }",
        "per_row": "{ table: post, rows_from: { table: image, fk: post_id, slot: id }, "
        "track_fields: [state] }",
    }

    def prepare(self, kind):
        self.execute("DROP TABLE IF EXISTS image, post CASCADE")
        self.execute("CREATE TABLE post (id int PRIMARY KEY, state text)")
        self.execute("CREATE TABLE image (id int PRIMARY KEY, post_id int REFERENCES post)")
        self.configure("\ntriggers:\n  - { table: image, slot_field: id, sets_alive: true, "
                       "on_delete: true, track_fields: [post_id] }\n  - " + self.PARENT[kind])
        self.triggers("apply")
        self.execute("INSERT INTO post VALUES (1, 'old'), (2, 'other')")
        self.execute("INSERT INTO image VALUES (1, 1), (2, 2)")

    def race(self, first, second):
        """Runs `first` in a transaction, `second` in another one meanwhile, which does not wait."""
        with self.pipeline.connect(autocommit=True) as other, self.connection.transaction():
            self.execute(first)
            other.execute("SET lock_timeout = '30s'")
            other.execute(second)

    def test_f32_late_children(self):
        """A child that is inserted or moved while its parent changes asks for it, and so does the
        parent, in both orders and both kinds of entry; neither waits."""
        late = ["INSERT INTO image VALUES (3, 1)", "UPDATE image SET post_id = 1 WHERE id = 2"]
        parent = "UPDATE post SET state = 'new' WHERE id = 1"
        for kind in self.PARENT:
            for child in late:
                for order in ((parent, child), (child, parent)):
                    with self.subTest(f"{kind}: {order}"):
                        self.prepare(kind)
                        self.ops()
                        self.race(*order)
                        rows = self.ops()
                        self.assertIn((1, [{"op": "refresh", "entry": "post.state", "key": 1}]),
                                      rows)
                        slot = 3 if "INSERT" in child else 2
                        self.assertIn({"op": "refresh", "entry": "post.state"},
                                      [op for entity, ops in rows if entity == slot for op in ops])
                        self.assertNotIn("state",
                                         [op.get("field") for _, ops in rows for op in ops])
                        self.triggers("drop")


class Reconciliation(TriggerCase):
    """F19: `triggers apply` makes the database equal to the configuration and changes nothing else.
    """

    def setUp(self):
        super().setUp()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)

    def names(self):
        return [row[0] for row in self.execute(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname")]

    def differences(self):
        done = self.triggers("diff", check=False)
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        return done.stdout.splitlines()

    def test_f19_no_lock_when_nothing_differs(self):
        """When nothing differs, `triggers apply` takes no lock that a writer would block."""
        self.triggers("apply")
        with self.pipeline.connect() as holder:
            holder.execute('LOCK TABLE "Image", "Post" IN ROW EXCLUSIVE MODE')
            self.assertEqual(self.triggers("apply").stdout, "nothing to do\n")
        self.assertEqual(self.differences(), [])

    def test_f19_only_what_differs(self):
        """A changed filter replaces the triggers of that table alone; a trigger that was changed by
        hand is reported by `check` and created again."""
        self.triggers("apply")
        before = self.names()
        text = self.pipeline.config.read_text()
        self.pipeline.config.write_text(text.replace("({attributes} >> 10)", "({attributes} >> 9)"))
        lines = self.differences()
        self.assertEqual({line.split()[0] for line in lines}, {"-", "+"})
        for line in lines:
            self.assertIn("bitdex_TagsOnImage", line)
        self.triggers("apply")
        self.pipeline.config.write_text(text)
        self.triggers("apply")
        self.assertEqual(self.names(), before)
        name, *_ = [name for name in before if name.startswith("bitdex_Post") and "_t" not in name]
        for change in (f'ALTER TABLE "Post" DISABLE TRIGGER "{name}"',
                       f'ALTER TABLE "Post" ENABLE TRIGGER "{name}"',
                       f'DROP TRIGGER "{name}" ON "Post"',
                       'DROP TABLE "TagsOnImageNew" CASCADE; CREATE TABLE "TagsOnImageNew" '
                       '("imageId" int, "tagId" int, attributes int)'):
            self.execute(change)
            self.assertIn("triggers", self.pipeline.producer.command("check", check=False).stdout)
            self.assertNotEqual(self.differences(), [], change)
            self.triggers("apply")
            self.assertEqual(self.differences(), [])
        functions = r"SELECT count(*) FROM pg_proc WHERE proname LIKE 'bitdex%\_ops\_%'"
        self.assertEqual(self.execute(functions).fetchone(), (len(self.names()),))

    def test_f19_foreign_triggers_stay(self):
        """Triggers that the generator did not create stay; one of the original system's generator
        is replaced."""
        self.execute("""
            CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE FUNCTION "bitdex_Post_ops_0123abcd"() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER bitdex_mine AFTER UPDATE ON "Post" EXECUTE FUNCTION mine();
            CREATE TRIGGER "bitdex_Post_0123abcd" AFTER UPDATE ON "Post"
                FOR EACH ROW EXECUTE FUNCTION "bitdex_Post_ops_0123abcd"();
            CREATE TABLE elsewhere (id int);
            CREATE TRIGGER "bitdex_elsewhere_0123abcd" AFTER UPDATE ON elsewhere
                EXECUTE FUNCTION mine()""")
        self.triggers("apply")
        self.assertNotIn("bitdex_Post_0123abcd", self.names())
        self.triggers("drop")
        self.assertEqual(self.names(), ["bitdex_elsewhere_0123abcd", "bitdex_mine"])
        self.assertEqual(self.triggers("drop").stdout, "nothing to do\n")

    def test_f19_apply_waits_for_a_lock(self):
        """`triggers apply` waits for a lock that another session holds, and then succeeds."""
        with self.pipeline.connect() as holder:
            holder.execute('LOCK TABLE "Post" IN ROW EXCLUSIVE MODE')
            apply = self.pipeline.producer.begin("triggers", "apply")
            self.addCleanup(apply.kill)
            for line in apply.stdout:
                if "waiting for a lock" in line:
                    break
        apply.communicate()
        self.assertEqual(apply.returncode, 0)
        self.assertEqual(self.differences(), [])

    def test_print_is_what_apply_does(self):
        """Running the SQL of `triggers print` leaves no difference."""
        printed = self.triggers("print").stdout
        self.execute(printed)
        self.assertEqual(self.differences(), [])
        self.assertEqual(self.triggers("print").stdout, printed)

    def test_errors_name_the_place(self):
        """An entry that does not fit the database is refused with its place in the configuration.
        """
        for entry, wanted in (
            ("{ table: Nix, slot_field: id }", r"\[0\].table: table Nix does not exist"),
            ("{ table: Image, slot_field: nix }", r"\[0\].slot_field: .*nix.*not found"),
            ("{ table: Image, slot_field: url }",
             r"\[0\].slot_field: column url is not of an integer type"),
            ("{ table: Image, slot_field: id, track_fields: [hash,\n    '{flags} + as f'] }",
             r":\d+:5: triggers\[0\].track_fields\[1\]: .*syntax error"),
            ("{ table: Image, slot_field: id, computed_fields: [\"'a' as f\"] }",
             r"computed_fields\[0\]: .*type"),
            ("{ table: Image, slot_field: id, filter: '{url}' }", r"filter: .*boolean"),
            ("{ table: Image, slot_field: id, computed_fields: ['flags & 1 as f'] }",
             r"computed_fields\[0\]: .*flags.*does not exist"),
            ("{ table: Post, query: 'a in {ids}', track_fields: [availability], query_source: "
             "'SELECT jsonb_agg(i.id) AS ids FROM \"Image\" i WHERE i.\"postId\" = availability' }",
             r"query_source: .*availability.*does not exist"),
            ("{ table: Post, query: 'a eq {nix}', track_fields: [availability] }",
             r"\[0\].query: .*nix.*not found"),
            ("{ table: Post, query: 'a in {ids}', track_fields: [availability], "
             "query_source: 'SELECT 1' }", r"\[0\].query_source: .*ids.*does not exist"),
            ("{ table: Post, query: 'a eq {id}', track_fields: [availability], "
             "children: { table: Image, fk: url, slot: id } }", r"\[0\].children: .*operator"),
        ):
            self.configure(f"\ntriggers:\n  - {entry}\n")
            for command in ("print", "diff", "apply"):
                done = self.triggers(command, check=False)
                self.assertEqual(done.returncode, 2, done)
                self.assertRegex(done.stderr, wanted)
        self.assertEqual(self.names(), [])

    def test_l11_apply_refuses_new_entries_that_cannot_be_right(self):
        """`triggers apply` refuses such entries, all in one run, and accepts those in place."""
        fine = """
triggers:
  - { table: Image, slot_field: id, sets_alive: true, track_fields: [nsfwLevel] }
"""
        bad = """\
  - { table: Model, query: "nsfwLevel in {ids}", query_source: 'SELECT ARRAY[1] AS ids',
      track_fields: [{ column: poi, target: modelPoi }],
      children: { table: ModelVersion, fk: modelId, slot: id } }
  - { table: Post, query: "modelPoi eq {availability}", track_fields: [availability],
      children: { table: TagsOnImageNew, fk: tagId, slot: imageId } }
"""
        self.configure(fine + bad)
        done = self.triggers("apply", check=False)
        self.assertEqual(done.returncode, 2, done)
        for wanted in (r":\d+:5: triggers\[1\].query: beside `children` it must be .field eq {id}.",
                       r"triggers\[2\].query: beside `children`",
                       r"triggers\[2\].children: TagsOnImageNew.imageId is not unique",
                       r"triggers\[2\].query: field modelPoi is set by a fan-out \(triggers\[1\]"):
            self.assertRegex(done.stderr, wanted)
        self.assertEqual(self.names(), [])
        self.execute(self.triggers("print").stdout)
        self.assertEqual(self.triggers("apply").stdout, "nothing to do\n")

    def test_f14_rights_of_the_owner(self):
        """`triggers apply` as a role without the right to write ops fails and names the right."""
        role = f"bitdex_owner_{self.connection.info.backend_pid}"
        self.execute(f"CREATE ROLE {role} LOGIN")
        self.addCleanup(self.execute, f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
        for table in gallery.TABLES:
            self.execute(f'GRANT SELECT, UPDATE, TRIGGER ON "{table}" TO {role}')
        dsn = psycopg.conninfo.make_conninfo(self.pipeline.dsn, user=role)
        self.pipeline.producer.set_variable("BITDEX_POSTGRES", dsn)
        done = self.triggers("apply", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'role {role}, as which the trigger functions run, lacks INSERT on table '
                      '"public"."BitdexOps"', done.stderr)


if __name__ == "__main__":
    unittest.main()
