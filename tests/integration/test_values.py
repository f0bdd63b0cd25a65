"""Values that ops cannot take: each costs itself, and not the application's statement or its row.
"""

import itertools
import json
import unittest
from datetime import datetime

from case import GalleryCase

SCHEMA = """
CREATE DOMAIN rank AS integer;
CREATE TABLE item (id bigint PRIMARY KEY, level int, name text, doc json, plain jsonb, bools bool[],
    prices numeric[], ranks rank[], price numeric, rating double precision, seen date,
    raw bytea, flags bit varying);
"""
TRIGGERS = """
triggers:
  - table: item
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [level, name, doc, plain, bools, prices, ranks, price, rating, seen,
      raw, flags]
index_config:
  filter_fields:
    - { name: level, field_type: single_value }
    - { name: name, field_type: string }
    - { name: doc, field_type: string }
    - { name: plain, field_type: multi_value }
    - { name: bools, field_type: multi_value }
    - { name: prices, field_type: multi_value }
    - { name: ranks, field_type: multi_value }
    - { name: price, field_type: single_value }
    - { name: rating, field_type: single_value }
    - { name: seen, field_type: single_value }
    - { name: raw, field_type: string }
    - { name: flags, field_type: string }
"""

# (column, a literal that no op takes, a part of the reason)
LOST = [
    ("doc", r"""'{"a":"\u0000"}'""", "string with a NUL"),
    ("doc", r"""'"\\\u0000"'""", "string with a NUL"),
    ("doc", r"""'"\ud800"'""", "half a surrogate pair"),
    ("doc", r"""'"\udc00\ud800"'""", "half a surrogate pair"),
    ("doc", "'1e999999'", "number out of range"),
    ("doc", "'[1e-99999]'", "number out of range"),
    ("plain", "'[1, null]'", "item 1"),
    ("plain", """'[{"a": 1}]'""", "item 0"),
    ("plain", """'[1, "a"]'""", "item 1"),
    ("plain", f"'{'[' * 1000}{']' * 1000}'", "item 0"),
    ("bools", "'{true,false}'", "item 0"),
    ("prices", "'{1.5}'", "item 0"),
    ("name", "repeat('x', 65537)", "longer than 65536 bytes"),
    ("doc", """('{"a": "' || repeat('x', 3000000) || '"}')::json""", "longer than 65536 bytes"),
    ("plain", "to_jsonb(repeat('x', 3000000))", "longer than 65536 bytes"),
    ("raw", "decode(repeat('00', 32768), 'hex')", "longer than 65536 bytes"),
    ("flags", "repeat('1', 65537)::bit varying", "longer than 65536 bytes"),
    ("ranks", "array_fill(1::rank, ARRAY[1000001])", "more than 1000000 items"),
    ("seen", "'infinity'", "a time that is infinite"),
    ("seen", "'-infinity'", "a time that is infinite"),
    ("price", "1e400", "beyond the range of floats"),
    ("price", "2.9999999999999999999", "no float is near enough"),
    ("price", "1e-400", "no float is near enough"),
]

# (column, a literal, what the index holds)
KEPT = [
    ("doc", r"""'"\\u0000 \ud83d\ude42 1e99999"'""", "\\u0000 🙂 1e99999"),
    ("doc", """'{"a": 1e99999}'""", '{"a": 1e99999}'),
    ("plain", "'[3.0, 1e2]'", [3, 100]),
    ("prices", "'{3.0,1e2}'", [3, 100]),
    ("ranks", "'{3,NULL,1}'", [1, 3]),
    ("raw", "decode(repeat('00', 32767), 'hex')", "\\x" + "00" * 32767),
    ("flags", "B'101'", "101"),
    ("price", "9007199254740993.0", 9007199254740993),
    ("rating", "1e15", 10**15),
]



# Of the database, for every session of the application's and of ours.
SETTINGS = {
    "extra_float_digits": "-6", "bytea_output": "escape", "standard_conforming_strings": "off",
    "escape_string_warning": "off", "quote_all_identifiers": "on", "DateStyle": "German",
    "IntervalStyle": "iso_8601", "TimeZone": "Asia/Kathmandu", "row_security": "on",
    "default_transaction_isolation": "serializable", "statement_timeout": "120s",
    "idle_in_transaction_session_timeout": "120s", "client_encoding": "LATIN1",
    "transform_null_equals": "on",
}

FAILING_SCHEMA = """
CREATE TABLE post (id int PRIMARY KEY, part int);
CREATE TABLE item (id bigint PRIMARY KEY, level int, payload jsonb, part int, whole int,
    post_id int);
CREATE INDEX ON item (post_id, id);
CREATE TABLE item_tag (item bigint REFERENCES item, tag int, off int, PRIMARY KEY (item, tag));
"""

FAILING_TRIGGERS = """
triggers:
  - table: item
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    track_fields: [level, "({payload}->>'rank')::int as rank", "{part} / {whole} as share"]
  - { table: item_tag, slot_field: item, field: tags, value_field: tag, filter: "4 / {off} > 0" }
  - { table: post, track_fields: ["10 / {part} as inverse"],
      rows_from: { table: item, fk: post_id, slot: id } }
index_config:
  filter_fields:
    - { name: level, field_type: single_value }
    - { name: rank, field_type: single_value }
    - { name: share, field_type: single_value }
    - { name: inverse, field_type: single_value }
    - { name: tags, field_type: multi_value }
"""


class Values(GalleryCase):
    settings = {}

    def setUp(self):
        super().setUp()
        with self.pipeline.connect(autocommit=True) as owner:
            (database,) = owner.execute("SELECT current_database()").fetchone()
            for name, value in self.settings.items():
                owner.execute(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
        self.create_schema(SCHEMA, TRIGGERS)
        # how this test's own literals are read
        self.execute("SET standard_conforming_strings = on; SET client_encoding = 'UTF8'")
        self.pipeline.start()

    def read(self, entity):
        answer = self.pipeline.api.get(f"/api/indexes/gallery/entities/{entity}")
        self.assertTrue(answer["alive"], f"{entity}: {answer}")
        return answer["fields"]

    def fields(self, entity):
        self.pipeline.wait_until_fresh()
        return self.read(entity)

    def command(self, *arguments):
        return self.pipeline.producer.command("dead-letters", *arguments, check=False).stdout

    def letters(self, *options):
        return json.loads(self.command("list", "1000", "--json", *options))

    def insert(self, rows):
        """Inserts an item for each (column, literal), with level 7; returns {id: row}."""
        for entity, (column, literal, _) in rows.items():
            self.execute(
                f"INSERT INTO item (id, level, {column}) VALUES ({entity}, 7, {literal})"
            )

    def check_lost(self, rows):
        self.pipeline.wait_until_fresh()
        for entity, (column, literal, _) in rows.items():
            self.assertEqual(self.read(entity), {"level": 7}, f"{column} {literal}")

    def check_kept(self, rows):
        self.pipeline.wait_until_fresh()
        for entity, (column, _, wanted) in rows.items():
            self.assertEqual(self.read(entity), {"level": 7, column: wanted})

    def test_f89_a_value_costs_itself(self):
        """An INSERT with such a value succeeds. The entity is alive with its other fields, the one
        field is null, and the letter names row, field and reason; an update to it clears the field.
        Every other way to read the row says the same: a refresh, a load, a verify."""
        rows = dict(enumerate(LOST, start=1))
        self.insert(rows)
        self.check_lost(rows)
        letters = {letter["entity_id"]: letter for letter in self.letters()}
        self.assertEqual(sorted(letters), sorted(rows))
        for entity, (column, _, reason) in rows.items():
            self.assertIn(f'field "{column}"', letters[entity]["reason"])
            self.assertIn(reason, letters[entity]["reason"])
            (invalid,) = letters[entity]["invalid_values"]
            self.assertEqual((invalid["field"], invalid["nested"]), (column, None))
        shown = self.command("show", str(letters[1]["row_id"]))
        self.assertIn("string with a NUL", shown)
        self.assertIn('"field": "doc"', shown)
        self.check_warning()
        self.check_retry(rows)
        self.check_load(rows)
        self.check_update()

    def check_warning(self):
        """F109: the log warns of lost values with field and reason, at most once a minute."""

        def read():
            lines = self.pipeline.producer.log.read_text().splitlines()
            return [line for line in lines if "dead letters since the last warning" in line]

        self.pipeline.producer.wait_until(read, "does not warn")
        warnings = read()
        times = [datetime.fromisoformat(line.split()[0].removeprefix("time="))
                 for line in warnings]
        for earlier, later in itertools.pairwise(times):
            self.assertGreater((later - earlier).total_seconds(), 59, warnings)
        self.assertIn("level=warn", warnings[0])
        self.assertIn("field", warnings[0])

    def check_retry(self, rows):
        """A retried value that is still invalid requests nothing more and keeps one open letter."""
        for _ in range(2):
            self.command("retry", "--all")
            self.pipeline.wait_until_fresh()
            self.pipeline.producer.wait_until(
                lambda: [letter["job"] for letter in self.letters()] == [-1] * len(rows),
                "has other letters than one for each answer",
            )
        newest = self.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
        self.check_lost(rows)
        self.assertEqual(self.execute('SELECT max(id) FROM "BitdexOps"').fetchone(), newest)
        self.pipeline.producer.wait_until(
            lambda: self.pipeline.producer.api.get("/api/status")["refresh_owed"] == 0,
            "owes requests")

    def check_load(self, rows):
        self.pipeline.producer.command("load")
        self.check_lost(rows)
        done = self.pipeline.producer.command("verify", check=False, is_patient=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_update(self):
        self.execute("INSERT INTO item (id, price) VALUES (100, 5)")
        self.assertEqual(self.fields(100), {"price": 5})
        self.execute("UPDATE item SET price = 5.00000000000000000001 WHERE id = 100")
        self.assertEqual(self.fields(100), {})
        self.execute("UPDATE item SET price = 6 WHERE id = 100")
        self.assertEqual(self.fields(100), {"price": 6})

    def test_f89_f90_values_that_look_like_them_are_kept(self):
        rows = dict(enumerate(KEPT, start=1))
        self.insert(rows)
        self.check_kept(rows)
        self.assertEqual(self.letters(), [])
        self.pipeline.producer.command("load")
        self.check_kept(rows)
        done = self.pipeline.producer.command("verify", check=False, is_patient=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_f79_f89_a_resumed_window_follows_the_stored_verdict(self):
        """A producer was killed after it had stored a verdict and before it had sent the row. The
        next one follows the verdict, although it would accept the value."""
        self.pipeline.producer.stop()
        (row_id,) = self.execute(
            """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (5, '[{"op": "alive"},
            {"op": "set", "field": "level", "value": 3}, {"op": "set", "field": "price",
            "value": 4}]') RETURNING id"""
        ).fetchone()
        (tick,) = self.execute(
            """INSERT INTO bitdex_windows (name, tick, generation, s1, s2, sub_id, last_row_id, seq,
            digest, offsets) SELECT name, tick + 1, generation, s2, pg_current_snapshot(), 0,
            last_row_id, seq, digest, offsets FROM bitdex_windows ORDER BY tick DESC, sub_id DESC
            LIMIT 1 RETURNING tick"""
        ).fetchone()
        self.execute(
            """INSERT INTO bitdex_dead_letters (name, epoch, row_id, tick, generation, entity_id,
            ops, reason, invalid_values) SELECT 'default', 1, id, %s, 1, entity_id, ops, 'too odd',
            '[{"op": 2, "nested": null, "field": "price", "reason": "too odd"}]'
            FROM "BitdexOps" WHERE id = %s""",
            (tick, row_id),
        )
        self.pipeline.producer.start()
        self.assertEqual(self.fields(5), {"level": 3})
        self.assertEqual([letter["row_id"] for letter in self.letters()], [row_id])


class SettingsOfTheDatabase(Values):
    """F88: the same with settings of the database that change how values are written and read."""

    settings = SETTINGS
    test_f89_a_value_costs_itself = None
    test_f89_f90_values_that_look_like_them_are_kept = None  # its topic would have the same name
    test_f79_f89_a_resumed_window_follows_the_stored_verdict = None

    def test_f88_values_that_look_like_lost_ones_are_kept(self):
        """The same values are kept."""
        Values.test_f89_f90_values_that_look_like_them_are_kept(self)

    def test_f88_settings_decide_nothing(self):
        """Applied triggers are equal to the configuration, and a number has all its digits."""
        done = self.pipeline.producer.command("triggers", "diff", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.execute("RESET ALL")
        self.execute(
            r"INSERT INTO item (id, rating, name) VALUES (1, 1234567890123, E'a\\b \"c\"')"
        )
        self.assertEqual(self.fields(1), {"rating": 1234567890123, "name": 'a\\b "c"'})


class Expressions(GalleryCase):
    def test_l12_an_expression_that_fails_costs_its_value(self):
        """L12: statements of the application succeed where an expression or a filter of the
        configuration fails for their row. The value is null, also for those who read the table;
        a letter has the message of Postgres."""
        self.create_schema(FAILING_SCHEMA, FAILING_TRIGGERS)
        self.execute("INSERT INTO post VALUES (1, 0), (2, 5)")
        self.execute("""INSERT INTO item (id, level, payload, part, whole, post_id) VALUES
            (8, 1, '{"rank": "x"}', 1, 0, 1), (9, 1, '{"rank": "4"}', 6, 2, 2)""")
        self.pipeline.start()
        self.pipeline.producer.command("load")
        self.execute("""INSERT INTO item (id, level, payload, part, whole, post_id) VALUES
            (1, 1, '{"rank": "7"}', 8, 2, 2), (2, 2, '{"rank": "no number"}', 8, 2, 1),
            (3, 3, '{}', 1, 0, 1)""")
        self.execute("UPDATE item SET payload = '{\"rank\": \"5\"}' WHERE id = 2")
        self.execute("UPDATE item SET payload = '{\"rank\": \"1e9\"}' WHERE id = 1")
        self.execute("INSERT INTO item_tag VALUES (1, 5, 1), (1, 6, 0), (2, 7, 0)")
        self.execute("UPDATE item_tag SET off = 4 WHERE tag = 7")
        self.pipeline.wait_until_fresh()
        found = {}
        for entity in (1, 2, 3, 8, 9):
            answer = self.pipeline.api.get(f"/api/indexes/gallery/entities/{entity}")
            self.assertTrue(answer["alive"], answer)
            found[entity] = {name: value for name, value in answer["fields"].items()
                             if value not in (None, [])}
        self.assertEqual(found, {
            1: {"level": 1, "share": 4, "tags": [5], "inverse": 2},
            2: {"level": 2, "rank": 5, "share": 4, "tags": [7]},
            3: {"level": 3},
            8: {"level": 1},
            9: {"level": 1, "rank": 4, "share": 3, "inverse": 2},
        })
        letters = json.loads(
            self.pipeline.producer.command("dead-letters", "list", "100", "--json").stdout)
        reasons = " ".join(letter["reason"] for letter in letters)
        for reason in ("invalid input syntax for type integer: \"no number\"",
                       "division by zero", "the filter cannot be evaluated"):
            self.assertIn(reason, reasons)
        done = self.pipeline.producer.command("verify", check=False, is_patient=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
