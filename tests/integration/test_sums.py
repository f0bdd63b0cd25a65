"""The sums of a verify: what the committed rows say of a range is what the index holds of it."""

import random
import unittest

import refreshes
import verdicts
from case import SEED, SceneCase

IMAGES = 400
FAR = 3_000_000  # ids after a gap of several units
CALM = 200  # images whose rows all fields can hold
BATCH = 50  # rows of a table that are inserted in one transaction

SCHEMA = """
CREATE TABLE image (id bigint PRIMARY KEY, shown boolean, post_id int, level numeric, rank bigint,
    seen timestamptz, note text, code char(6), list jsonb, nums numeric[], divisor int);
CREATE INDEX ON image (post_id);
CREATE TABLE tag (image_id int, tag int, other bigint, off boolean);
CREATE INDEX ON tag (image_id);
CREATE TABLE tool (image_id bigint REFERENCES image ON DELETE CASCADE, tool_id int,
    PRIMARY KEY (image_id, tool_id));
CREATE TABLE part (id int PRIMARY KEY, score float8, done boolean);
CREATE TABLE post (id int PRIMARY KEY, title varchar(20), draft boolean);
CREATE TABLE plain (image_id int, word text);
CREATE INDEX plain_slot ON plain (image_id);
"""

TRIGGERS = """
triggers:
  - table: image
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    filter: "{shown}"
    track_fields: [level, rank, seen, note, code, list, nums, "100 / {divisor} as share"]
  - { table: tag, slot_field: image_id, field: tags, value_field: tag, filter: "NOT {off}" }
  - { table: tag, slot_field: image_id, field: tags, value_field: other, filter: "{off}" }
  - { table: tool, slot_field: image_id, field: tools, value_field: tool_id }
  - { table: part, slot_field: id, track_fields: [score, done] }
  - { table: post, type: fan_out_per_row, rows_from: { table: image, fk: post_id, slot: id },
      track_fields: [title], filter: "NOT {draft}" }
  - { table: plain, slot_field: image_id, track_fields: [word] }
index_config:
  filter_fields:
    - { name: seen, field_type: single_value }
    - { name: note, field_type: string }
    - { name: code, field_type: string }
    - { name: list, field_type: multi_value }
    - { name: nums, field_type: multi_value }
    - { name: share, field_type: single_value }
    - { name: tags, field_type: multi_value }
    - { name: tools, field_type: multi_value }
    - { name: score, field_type: single_value }
    - { name: done, field_type: boolean }
    - { name: title, field_type: string }
    - { name: word, field_type: string }
    - { name: posted, field_type: single_value }
  sort_fields:
    - { name: level, bits: 10 }
    - { name: rank, bits: 40 }
    - { name: best, bits: 20, computed: { op: greatest, source_fields: [rank, seen] } }
  visible_from: seen
"""

COMPARED = {"", "level", "rank", "seen", "note", "code", "list", "nums", "share", "tags", "tools",
    "score", "done", "title", "word", "best"}

# {column: (values that the field holds, values that it does not)}
VALUES = {
    "level": (["0", "-1023", "1023", "7.0", "2.00000000000000000000000001", "1e-330"],
              ["1024", "-1024", "7.5", "1e400", "9007199254740993.0", "'NaN'", "1e-300"]),
    "rank": (["0", "-1048575", "1048575"], ["1048576", "1099511627776", "-9223372036854775808"]),
    "seen": (["'epoch'", "'1970-01-02 00:00:00.7Z'"], ["'2024-01-01Z'", "'infinity'"]),
    "note": (["''", "'a'", "'ü€😀'", "repeat('x', 65536)"], ["repeat('x', 65537)"]),
    "code": (["'a'", "' b '", "''"], []),
    "list": (["'[1, 2, 2]'", "'7'", "'[]'", "'[3.0, 9223372036854775807]'"],
             ["'[1, 2.5]'", "'[\"a\"]'", "'true'", "'\"7\"'", "'[1, null, [2]]'",
              "'[9223372036854775808]'", "'{\"a\": 1}'"]),
    "nums": (["'{3.0,4,4}'", "'{1e2,NULL}'", "'{}'"], ["'{1,0.5}'", "'{NaN}'"]),
    "divisor": (["1", "7", "-3"], []),
    "post_id": (["1", "2", "3", "4"], []),
}


class Sums(SceneCase):
    """Each method leaves the index equal to the tables."""

    def set_scene(self):
        """Rows that came after the triggers, and a load of them."""
        self.create_schema(SCHEMA, TRIGGERS)
        self.rng = random.Random(SEED)
        self.pipeline.start()
        self.fill()
        self.pipeline.producer.command("load")
        self.pipeline.wait_until_fresh()

    def value(self, column, calm):
        kept, refused = VALUES[column]
        if self.rng.random() < 0.2:
            return "NULL"
        return self.rng.choice(kept if calm else kept + refused)

    def insert_image(self, image):
        columns = ", ".join(VALUES)
        values = ", ".join(self.value(column, image <= CALM) for column in VALUES)
        shown = self.rng.choice(["true", "true", "false", "NULL"])
        self.execute(
            f"INSERT INTO image (id, shown, {columns}) VALUES ({image}, {shown}, {values})")

    def insert_others(self, image):
        rng = self.rng
        self.execute(
            f"""INSERT INTO tag VALUES ({image}, {rng.randrange(4)}, {rng.randrange(4)},
                {rng.choice(['true', 'false', 'NULL'])})""")
        self.execute(
            f"""INSERT INTO tool SELECT {image}, {rng.randrange(3)} WHERE EXISTS
                (SELECT FROM image WHERE id = {image}) ON CONFLICT DO NOTHING""")
        self.execute(f"INSERT INTO plain VALUES ({image}, 'word {rng.randrange(9)}')")
        self.execute(
            f"""INSERT INTO part VALUES ({image}, {rng.choice(['1', '2.5', 'NULL'])},
                {rng.choice(['true', 'false', 'NULL'])}) ON CONFLICT DO NOTHING""")

    def fill(self):
        """Rows of images that exist, of images that the filter leaves out, and of no image."""
        for post in range(1, 4):
            self.execute(f"INSERT INTO post VALUES ({post}, 'post {post}', {post == 2})")
        for first in range(0, IMAGES, BATCH):
            with self.connection.transaction():
                for number in range(first, first + BATCH):
                    self.insert_image(number if number % 10 else FAR + number)
        for _ in range(0, 3 * IMAGES, BATCH):
            with self.connection.transaction():
                for _ in range(BATCH):
                    number = self.rng.randrange(IMAGES + 50)
                    self.insert_others(number if number % 10 else FAR + number)

    def check_equal(self, found, compared=frozenset(COMPARED)):
        counts = dict.fromkeys(compared, 0)
        self.assertTrue(found)
        for partition, verdict in found:
            where = f"BITDEX_SEED={SEED}, partition {partition}, {verdict}"
            self.assertEqual(verdict["differing"], [], where)
            self.assertEqual(set(verdict["equal"]), compared, where)
            for name in compared:
                counts[name] += int(verdict["sums"][name].split(":")[0])
        self.assertNotIn(0, counts.values(), counts)

    def check_covers(self, found):
        """The ranges of each partition follow each other from 0 to the end."""
        for number in range(4):
            at = 0
            for partition, verdict in found:
                if partition == number:
                    self.assertEqual(verdict["begin"], at)
                    at = verdict["end"]
            self.assertIsNone(at)

    def verify(self, ranges=None):
        self.pipeline.wait_until_fresh()
        return verdicts.verify(self.pipeline, self.connection, ranges)

    def test_sums_are_those_of_what_the_index_holds(self):
        """Values beyond the bounds of their field, repeated and foreign rows of joins, filters and
        gaps: the sums of the source are those of the index after a load."""
        found = self.verify()
        self.check_covers(found)
        self.check_equal(found)

    def differ(self, image):
        """Changes a value of an image in the index, as no trigger would."""
        self.execute(
            """INSERT INTO "BitdexOps" (entity_id, ops)
               VALUES (%s, '[{"op": "set", "field": "level", "value": 5}]')""", (image,))

    def test_a_difference_is_found_shown_and_mended(self):
        """The index differs from a row: the sums of its range say so, a check names
        it with both values, and a load of the range mends it."""
        self.execute("UPDATE image SET shown = true, level = 9 WHERE id = 37")
        self.check_equal(self.verify())  # nothing is owed to it
        self.differ(37)
        found = self.verify()
        differing = [(p, r["differing"], r["begin"], r["end"]) for p, r in found if r["differing"]]
        self.assertEqual([d[:2] for d in differing], [(37 % 4, ["level"])])
        begin, end = differing[0][2:]
        ranges = [begin, end if end is not None else (1 << 63) - 1]
        job = verdicts.queue(self.connection, "check", ranges=ranges)
        verdicts.wait(self.pipeline, self.connection, job)
        differences = [d for _, r in verdicts.read(self.pipeline, job) for d in r["differences"]]
        self.assertEqual(differences, [{"field": "level", "id": 37, "source": 9, "index": 5}])
        self.pipeline.producer.command("load", "--range", "37:38")
        self.check_equal(self.verify())

    def test_a_job_verifies_only_its_ranges(self):
        """Ranges that a job lists are compared, and no others."""
        found = self.verify([8, 16, 100, 200, FAR, (1 << 63) - 1])
        for number in range(4):
            spans = []  # a range that took long was cut
            for begin, end in [(r["begin"], r["end"]) for p, r in found if p == number]:
                if spans and spans[-1][1] == begin:
                    begin, _ = spans.pop()
                spans.append((begin, end))
            self.assertEqual(spans, [(8, 16), (100, 200), (FAR, None)])
        self.assertEqual([r for _, r in found if r["differing"]], [])

    def test_a_row_that_cannot_be_evaluated_costs_its_fields(self):
        """Postgres cannot compute a value of one row: it is null, and all fields are compared."""
        self.execute("UPDATE image SET divisor = 7, shown = true WHERE id = 41")
        with self.connection.transaction():  # triggers that are disabled would be noticed
            self.execute("UPDATE image SET divisor = 0 WHERE id = 41")
            refreshes.forget_ops(self.connection)
        found = self.verify([0, 64])
        self.assertEqual({name for _, r in found for name in r["differing"]}, {"share"})
        self.pipeline.producer.command("load", "--range", "41:42")
        self.check_equal(self.verify())

    def test_what_cannot_be_compared_is_not_called_equal(self):
        """The index on a slot is missing; no table gives the field: neither is compared."""
        self.execute("DROP INDEX plain_slot")
        found = self.verify()
        self.check_equal(found, COMPARED - {"word"})
        answer = self.pipeline.api.get("/api/indexes/gallery/verify")
        self.assertLessEqual({"word", "posted"}, {f["field"] for f in answer["not_comparable"]})
        self.execute("CREATE INDEX plain_slot ON plain (image_id)")

    def restart_producer(self, config):
        self.pipeline.producer.stop()
        self.pipeline.config.write_text(config)
        self.pipeline.producer.start()

    def test_the_patrol_compares_everything(self):
        """Without a job the ranges of all entities are compared, one after another, for ever."""
        config = self.pipeline.config.read_text()
        self.check_equal(self.verify())
        self.restart_producer(
            config.replace("\nproducer: {", "\nproducer: { patrol: { share: 0.5 },", 1))
        for _ in range(2):
            last = max(r["tick"] for _, r in verdicts.read(self.pipeline, 0))
            self.pipeline.consumer.wait_until(
                lambda last=last: self.is_compared_after(last), "is not patrolled")
        found = verdicts.read(self.pipeline, 0)
        self.assertEqual([r for _, r in found if r["differing"] != []], [])
        self.restart_producer(config)

    def is_compared_after(self, tick):
        """Whether every range of each partition was compared after the tick."""
        found = verdicts.read(self.pipeline, 0)
        self.check_covers(found)
        return min(r["tick"] for _, r in found) > tick


if __name__ == "__main__":
    unittest.main()
