"""F84: a load says of every value what the triggers say of it."""

import random
import unittest

import index
import refreshes
import verdicts
from case import SEED, GalleryCase

IMAGES = 120
ROUNDS = 4

# {column: (type, type of the field, values)}
COLUMNS = {
    "c_bool": ("bool", "boolean", ["true", "false"]),
    "c_int2": ("int2", "single_value", ["-32768", "0", "7"]),
    "c_int4": ("int4", "single_value", ["-2147483648", "0", "7"]),
    "c_int8": ("int8", "single_value", ["9007199254740993", "-9223372036854775807", "0"]),
    "c_rank": ("rank", "single_value", ["7", "999"]),
    "c_numeric": ("numeric", "single_value", ["3.0", "3", "2.5", "1e3", "'NaN'", "-0.0"]),
    "c_float4": ("float4", "single_value", ["3", "0.1", "16777216", "'Infinity'"]),
    "c_float8": ("float8", "single_value", ["3", "1e15", "1e18", "0.1", "-0.0", "'NaN'"]),
    "c_ts": ("timestamp", "single_value",
             ["'1969-12-31 23:59:59.5'", "'2024-02-29 12:00:00.9'", "'infinity'"]),
    "c_tstz": ("timestamptz", "single_value", ["'1969-12-31 23:59:59.5Z'", "'epoch'"]),
    "c_date": ("date", "single_value", ["'1970-01-02'", "'-infinity'", "'1900-01-01'"]),
    "c_text": ("text", "string", ["''", "'a'", "'it''s \"a\" \\ {c_int4}'", "'ü€😀'", "E'\\t\\n'"]),
    "c_varchar": ("varchar(9)", "string", ["'a '", "'ab'"]),
    "c_char": ("char(4)", "string", ["'a'", "'a b'", "''"]),
    "c_mood": ("mood", "string", ["'calm'", "'wild'"]),
    "c_uuid": ("uuid", "string", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
    "c_bytea": ("bytea", "string", [r"'\x00ff41'", "''"]),
    "c_interval": ("interval", "string", ["'1 day 2 hours'", "'-3 months 0.5 seconds'"]),
    "c_inet": ("inet", "string", ["'10.0.0.1/8'"]),
    "c_point": ("point", "string", ["'(0.1,2)'"]),
    "c_json": ("json", "string", ["'null'", "'\"x\"'", "'{\"b\": 1,  \"a\": 2}'"]),
    "c_jsonb": ("jsonb", "string", ["'null'", "'\"x\"'", "'{\"b\": 1,  \"a\": 2}'"]),
    "c_number": ("jsonb", "single_value", ["'5'", "'5.0'", "'5.5'", "'true'", "'null'"]),
    "c_ints": ("int[]", "multi_value", ["'{}'", "'{3,1,3,NULL}'", "'{{1,2},{3,4}}'", "'{NULL}'"]),
    "c_bigints": ("int8[]", "multi_value", ["'{9007199254740993}'", "'{-1,0}'"]),
    "c_numerics": ("numeric[]", "multi_value", ["'{3.0,4}'", "'{1e2}'"]),
    "c_list": ("jsonb", "multi_value", ["'[1, 2, 2]'", "'[]'", "'7'", "'null'", "'[3.0]'"]),
    "c_one": ("int4", "multi_value", ["7", "0"]),
}

SCHEMA = """
CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE DOMAIN rank AS integer CHECK (VALUE < 1000);
CREATE SCHEMA shop;
CREATE TABLE image (id bigint PRIMARY KEY, post_id int, album_id int, model_ids int[], """ + (
    ", ".join(f"{name} {column[0]}" for name, column in COLUMNS.items())) + """);
CREATE INDEX ON image (post_id);
CREATE INDEX ON image (album_id);
CREATE TABLE shop."Tags on" (image_id int, tag smallint, power numeric, off boolean);
CREATE INDEX ON shop."Tags on" (image_id);
CREATE TABLE part (id int, bucket int, score float4, PRIMARY KEY (id, bucket))
    PARTITION BY LIST (bucket);
CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part_1 PARTITION OF part DEFAULT;
CREATE TABLE post (id int PRIMARY KEY, published timestamptz, state mood, draft boolean);
CREATE TABLE album (id int PRIMARY KEY, title char(5), tint bytea);
CREATE TABLE model (name text, version int, member int, poi boolean, words varchar(9),
    PRIMARY KEY (name, version));
"""

TRIGGERS = """
triggers:
  - table: image
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [post_id, album_id, model_ids, """ + ", ".join(COLUMNS) + """,
      "COALESCE({c_text}, 'no {c_text}') as e_text", "({c_ts} + {c_interval}) as e_ts",
      "{c_float8}::text as e_float", "{c_tstz}::text as e_moment",
      "ARRAY[{c_int4}, {c_int2}] as e_list"]
    computed_fields: ["({c_int4} & 1) = 1 as e_odd"]
  - { table: "shop.Tags on", slot_field: image_id, field: tags, value_field: tag,
      filter: "NOT {off}", computed_fields: ["CASE WHEN {power} > 1 THEN {power} END as powers"] }
  - { table: part, slot_field: id, track_fields: [score], filter: "{bucket} < 2" }
  - { table: post, query: "post_id eq {id}", track_fields: [published, state],
      filter: "NOT {draft}", children: { table: image, fk: post_id, slot: id } }
  - { table: album, type: fan_out_per_row, rows_from: { table: image, fk: album_id, slot: id },
      track_fields: [title, tint] }
  - { table: model, query: "model_ids in {ids}", query_source: "SELECT ARRAY[{member}, -1] AS ids",
      track_fields: [poi, words, "{name} || {version} as label"] }
"""

FIELDS = {name: column[1] for name, column in COLUMNS.items()} | {
    "post_id": "single_value", "album_id": "single_value", "model_ids": "multi_value",
    "e_text": "string", "e_ts": "single_value", "e_float": "string", "e_moment": "string",
    "e_list": "multi_value", "e_odd": "boolean", "tags": "multi_value", "powers": "multi_value",
    "score": "single_value", "published": "single_value", "state": "string", "title": "string",
    "tint": "string", "poi": "boolean", "words": "string", "label": "string",
}

# The fields whose entities only the index knows.
PASSES = {"poi", "words", "label"}

# Of the application's sessions. The functions of triggers do not depend on them.
SETTINGS = [
    {},
    {"timezone": "Asia/Kathmandu", "datestyle": "German", "intervalstyle": "iso_8601",
     "bytea_output": "escape", "extra_float_digits": "-5"},
]


class LoadValues(GalleryCase):
    def setUp(self):
        super().setUp()
        fields = "".join(
            f"    - {{ name: {name}, field_type: {kind} }}\n" for name, kind in FIELDS.items())
        self.create_schema(SCHEMA, f"{TRIGGERS}\nindex_config:\n  filter_fields:\n{fields}")
        self.rng = random.Random(SEED)

    def value(self, column):
        return "NULL" if self.rng.random() < 0.3 else self.rng.choice(COLUMNS[column][2])

    def parent(self):
        return self.rng.choice(["NULL", *map(str, range(1, 9))])

    def change_image(self):
        rng = self.rng
        columns = rng.sample(list(COLUMNS), rng.randrange(len(COLUMNS) + 1))
        values = {column: self.value(column) for column in columns}
        values |= {"post_id": self.parent(), "album_id": self.parent()}
        names, texts = ", ".join(values), ", ".join(values.values())
        image = rng.randrange(1, IMAGES)
        self.execute(
            f"INSERT INTO image (id, model_ids, {names}) VALUES ({image},"
            f" '{{{image % 9}, {image + 50}}}', {texts}) ON CONFLICT (id) DO UPDATE"
            f" SET ({names}) = ROW ({texts})")

    def change_others(self):
        rng = self.rng
        image, parent = rng.randrange(1, IMAGES), rng.randrange(1, 9)
        tint = r"'\x00ff'"
        self.execute(rng.choice([
            f"""INSERT INTO shop."Tags on" VALUES ({image}, {rng.choice(['1', '2', 'NULL'])},
                {rng.choice(['1', '2.0', '3', 'NULL'])}, {rng.choice(['true', 'false'])})""",
            f"INSERT INTO part VALUES ({image}, {rng.randrange(1, 3)}, {rng.choice(['1', '2.5'])})"
            f" ON CONFLICT DO NOTHING",
            f"UPDATE part SET score = 7 WHERE id = {image}",
            f"""DELETE FROM shop."Tags on" WHERE image_id = {image};
                DELETE FROM part WHERE id = {image}; DELETE FROM image WHERE id = {image}""",
            f"""INSERT INTO post VALUES ({parent}, 'epoch'::timestamptz + interval
                '{rng.randrange(99)} hours', 'calm', false) ON CONFLICT (id) DO UPDATE
                SET state = {rng.choice(["'wild'", 'NULL'])}, draft = excluded.id % 3 = 1""",
            f"""INSERT INTO album VALUES ({parent}, 'a{parent % 3}', {rng.choice(['NULL', tint])})
                ON CONFLICT (id) DO UPDATE SET title = 'b', tint = excluded.tint""",
            f"""INSERT INTO model VALUES ('m{parent}', 1, {parent}, {rng.choice(['true', 'NULL'])},
                'w{parent}') ON CONFLICT (name, version) DO UPDATE SET poi = false""",
        ]))

    def insert_one_with_parents(self):
        """An image with a value of each field that few rows decide, which may all be null."""
        self.execute(f"""
            INSERT INTO image (id, post_id, album_id, model_ids) VALUES ({IMAGES}, 9, 9, '{{9}}');
            INSERT INTO shop."Tags on" VALUES ({IMAGES}, 1, 3, false);
            INSERT INTO part VALUES ({IMAGES}, 1, 7);
            INSERT INTO post VALUES (9, 'epoch', 'calm', false);
            INSERT INTO album VALUES (9, 'a', '\\x00ff');
            INSERT INTO model VALUES ('m9', 1, 9, true, 'w9')""")

    def fan_out_again(self):
        """A fan-out that only the index resolves does not reach images that come later."""
        self.execute("CREATE TEMP TABLE kept AS SELECT * FROM model; DELETE FROM model")
        self.execute("INSERT INTO model SELECT * FROM kept")

    def read_index(self):
        """{id: fields} of the images."""
        self.pipeline.wait_until_fresh()
        images = sorted(row[0] for row in self.execute("SELECT id FROM image"))
        owners = index.read_owners([self.pipeline.consumer])
        entities = index.read_entities(owners, images)
        for answer in entities.values():
            self.assertTrue(answer["alive"], answer)
        return {image: answer["fields"] for image, answer in entities.items()}

    def empty_index(self):
        """Takes every image out of the index, as no trigger would."""
        self.execute("""INSERT INTO "BitdexOps" (entity_id, ops)
            SELECT id, '[{"op": "delete"}]' FROM image""")
        self.pipeline.wait_until_fresh()
        reply = self.pipeline.query({"filters": [], "limit": 1})
        self.assertEqual(reply["total_matched"], 0)

    def test_f84_a_load_equals_the_triggers(self):
        """After random changes from sessions of different settings, a load restores the index that
        the triggers have made, for every type and with nulls."""
        self.pipeline.start()
        for number in range(ROUNDS):
            self.execute("RESET ALL")
            for setting, value in SETTINGS[number % len(SETTINGS)].items():
                self.execute(f"SET {setting} = '{value}'")
            for _ in range(IMAGES):
                self.change_image()
                self.change_others()
        self.insert_one_with_parents()
        self.fan_out_again()
        self.execute("RESET ALL")
        by_triggers = self.read_index()
        self.check_values(by_triggers)
        self.empty_index()
        self.pipeline.producer.command("load")
        by_load = self.read_index()
        self.check_sums()
        self.maxDiff = None
        for image, fields in by_triggers.items():
            self.assertEqual(by_load[image], fields, f"BITDEX_SEED={SEED}, image {image}")

    def ask_for(self, image):
        """Requests for everything that an image shows, in one form or another. What it shows of a
        parent is left to the parent, which is asked for as well; of an image without the parent, no
        other request says that the values have gone."""
        sources = ["image.c_int4", "shop.Tags on.tags", "part.score"]
        parents = ["post.published", "album.title"]
        keys = self.execute(
            f"SELECT post_id, album_id FROM image WHERE id = {image}").fetchone() or (None, None)
        gone = [[refreshes.child(entry)] for entry, key in zip(parents, keys) if key is None]
        rows = self.rng.choice([
            [[refreshes.whole()]],
            [[refreshes.whole("c_int4", "tags", "score"), refreshes.child(sources[0])], *gone],
            [[refreshes.whole("tags", "powers")], [refreshes.whole("score")],
             [refreshes.child(sources[0])], *gone],
            [[refreshes.child(entry)] for entry in sources] + gone,
            [[refreshes.child(entry) for entry in sources + parents]],
        ])
        for ops in rows:
            refreshes.insert(self.connection, image, *ops)

    def test_f84_requests_equal_a_load(self):
        """After random changes that the triggers did not say, requests of all forms restore what
        the rows of every type say: the sums prove it."""
        self.pipeline.start()
        for _ in range(2 * IMAGES):
            self.change_image()
            self.change_others()
        for _ in range(ROUNDS):
            with self.connection.transaction():
                for _ in range(IMAGES // 2):
                    self.change_image()
                    self.change_others()
                refreshes.forget_ops(self.connection)
            for image in self.rng.sample(range(1, IMAGES), IMAGES - 1):
                self.ask_for(image)
            refreshes.insert(self.connection, 0, *(
                refreshes.parent(entry, self.rng.choice([parent, str(parent)]))
                for entry in ("post.state", "album.tint") for parent in range(1, 9)))
            self.pipeline.wait_until_fresh()
            self.check_sums()

    def check_sums(self):
        """The sums of all fields that rows of a range determine are those of the index."""
        found = verdicts.verify(self.pipeline, self.connection)
        self.assertTrue(found)
        for partition, verdict in found:
            where = f"BITDEX_SEED={SEED}, partition {partition}, {verdict}"
            self.assertEqual(verdict["differing"], [], where)
            self.assertEqual(set(verdict["equal"]), {"", *FIELDS} - PASSES, where)

    def check_values(self, entities):
        """Every field has values, or the comparison would say nothing about it."""
        present = {name for fields in entities.values() for name, value in fields.items()
                   if value not in (None, [])}
        self.assertEqual(set(FIELDS) - present, set())


if __name__ == "__main__":
    unittest.main()
