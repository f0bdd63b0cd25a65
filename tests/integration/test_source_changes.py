"""Changes of whole sources, which name no rows: the producer voids the fields of the source and
loads it, and the index is complete again only when it equals the tables.

Most tests share one pipeline and its tables: each begins with the rows of FILL and leaves others.

Some leave a request for all rows in the outbox; the others no trigger reports, and the producer
finds them when it looks at the tables.
"""

import json
import time
import unittest

import index
import psycopg
import topic
from case import SceneCase

SCHEMA = """
CREATE TYPE kind AS ENUM ('new', 'old');
CREATE TABLE item (id bigint PRIMARY KEY, level int, kind kind NOT NULL DEFAULT 'new', post int,
    plain kind, spare int) PARTITION BY RANGE (id);
CREATE TABLE item_1 PARTITION OF item FOR VALUES FROM (0) TO (100);
CREATE TABLE item_2 PARTITION OF item FOR VALUES FROM (100) TO (200);
CREATE INDEX item_post ON item (post, id);
CREATE TABLE item_tag (item bigint, tag int, PRIMARY KEY (item, tag));
CREATE TABLE post (id int PRIMARY KEY, title text);
"""
FILL = """
CREATE TABLE IF NOT EXISTS item_1 PARTITION OF item FOR VALUES FROM (0) TO (100);
INSERT INTO post SELECT n, 'post ' || n FROM generate_series(1, 9) AS n ON CONFLICT DO NOTHING;
INSERT INTO item (id, level, post) SELECT n, n % 7, 1 + n % 9 FROM generate_series(1, 180, 2) AS n
    ON CONFLICT DO NOTHING;
INSERT INTO item_tag SELECT id, t FROM item, generate_series(1, 3) AS t WHERE id < 200
    ON CONFLICT DO NOTHING;
"""
CONFIG = """
triggers:
  - table: item
    slot_field: id
    sets_alive: true
    on_delete: delete_slot
    on_truncate: emit
    track_fields: [level, "{kind}::text as kind", post, spare]
  - { table: item_tag, slot_field: item, field: tags, value_field: tag, on_truncate: emit }
  - { table: post, type: fan_out_per_row, rows_from: { table: item, fk: post, slot: id },
      track_fields: [title], on_truncate: emit }
index_config:
  filter_fields:
    - { name: level, field_type: single_value }
    - { name: kind, field_type: string }
    - { name: post, field_type: single_value }
    - { name: tags, field_type: multi_value }
    - { name: title, field_type: string }
    - { name: spare, field_type: single_value }
"""
TRUTH = """
SELECT i.id, jsonb_strip_nulls(jsonb_build_object('level', level, 'kind', kind::text, 'post', post,
    'title', title, 'tags', (SELECT jsonb_agg(tag ORDER BY tag) FROM item_tag WHERE item = i.id)))
FROM item AS i LEFT JOIN post ON post.id = i.post
"""
IDS = 700
WATCH_MS = 200
FIELDS = {"item": {"", "level", "kind", "post", "spare"}, "item_tag": {"tags"}, "post": {"title"}}


class SourceChangesCase(SceneCase):
    settings = f"watch_interval_ms: {WATCH_MS}"  # of the producer

    def set_scene(self):
        self.create_schema(SCHEMA + FILL, CONFIG)
        text = self.pipeline.config.read_text()
        self.pipeline.config.write_text(
            text.replace("producer: {", f"producer: {{ {self.settings},"))
        self.producer = self.pipeline.producer
        self.pipeline.start()
        self.producer.command("load")

    def setUp(self):
        super().setUp()
        if not self.producer.is_running():
            self.producer.start()
            self.producer.wait_until_state("draining")
        self.execute(FILL)
        self.wait_until_healed()

    def status(self):
        return self.producer.api.get("/api/status")

    def wait_until(self, condition, what):
        self.producer.wait_until(condition, what)

    def is_complete(self):
        return all(partition["complete"] for partition in self.pipeline.partitions())

    def is_watched(self):
        """The producer has looked at the tables and the outbox, and nothing is left to load."""
        (count,) = self.execute(
            "SELECT count(*) FROM bitdex_sources WHERE reason IS NULL").fetchone()
        return count == 4

    def wait_until_healed(self):
        self.pipeline.wait_until_fresh()
        self.wait_until(lambda: self.is_watched() and self.status()["refresh_owed"] == 0,
                        "is not healed")
        self.pipeline.wait_until_fresh()
        self.wait_until(self.is_complete, "loads, and the index is not complete")
        self.check_index()

    def entity(self, entity):
        return self.pipeline.api.get(f"/api/indexes/gallery/entities/{entity}")

    def check_index(self):
        truth = dict(self.execute(TRUTH).fetchall())
        self.assertLess(max(truth, default=0), IDS)
        documents = index.read_documents([self.pipeline.consumer], list(range(IDS)))
        self.assertEqual(documents, {entity: truth.get(entity) for entity in range(IDS)})

    def wait_for_load(self, fields, *reasons):
        """Waits until the fields were voided, loaded and are as the tables have them."""
        number = self.voided + 1
        self.wait_until(lambda: self.count_voided() >= number, "voids nothing")
        self.wait_until_healed()
        self.check_order(number, set(fields), reasons)

    def count_voided(self):
        return self.execute("SELECT voided FROM bitdex_producers").fetchone()[0]

    def change(self, *statements):
        """One transaction."""
        self.voided = self.count_voided()
        with self.connection.transaction():
            for statement in statements:
                self.execute(statement)

    def read_bodies(self):
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        return [[event["body"] for _, _, event in records] for records in events.values()]

    def check_order(self, number, fields, reasons):
        """In every partition the voided event, with these fields, comes before the begin of a load
        of them, and no mark carries its number before it."""
        for bodies in self.read_bodies():
            bodies = [(kind.removeprefix("bitdex."), body) for kind, body in bodies]
            (place,) = [i for i, (kind, body) in enumerate(bodies)
                        if kind == "Voided" and body["number"] == number]
            voided = bodies[place][1]
            self.assertEqual(set(voided["fields"]), fields, voided)
            for reason in reasons:
                self.assertIn(reason, voided["reason"])
            for kind, body in bodies[:place]:
                if kind == "Mark":
                    self.assertLess(body["voided"], number)
            loaded = set()
            for kind, body in bodies[place:]:
                if kind == "Mark":
                    self.assertGreaterEqual(body["voided"], number)
                if kind == "Job" and body["kind"] == "BEGIN":
                    loaded |= set(body["fields"]) | ({""} if body["states_alive"] else set())
            self.assertLessEqual(fields, loaded)

    def check_nothing_voided(self, *statements):
        """The statements change nothing that triggers do not say."""
        self.change(*statements)
        self.wait_until_seen()
        self.assertEqual(self.count_voided(), self.voided)
        self.wait_until_healed()

    def wait_until_seen(self):
        """Waits until the producer has looked at the tables after this call."""
        self.execute("UPDATE bitdex_sources SET signature = '{}' WHERE relation = 'post'")
        before = self.count_voided()
        self.wait_until(lambda: self.count_voided() > before, "does not look")
        self.voided += 1

    def jobs(self):
        return json.loads(self.producer.command("jobs", "list", "--json").stdout)


class Changes(SourceChangesCase):
    def attach(self, name, begin):
        self.change(
            f"CREATE TABLE {name} (LIKE item INCLUDING ALL)",
            f"INSERT INTO {name} (id, level, post)"
            f" SELECT n, 5, 2 FROM generate_series({begin}, {begin} + 50) n",
            f"ALTER TABLE item ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({begin} + 100)"
        )

    def test_f95_partitions(self):
        """Partitions attached with rows, detached, dropped, and emptied through another table."""
        tables = FIELDS["item"] | FIELDS["post"]
        self.attach("item_3", 200)
        self.wait_for_load(tables, "partition item_3 of item was attached with rows")
        self.assertIn("partition item_3 of item was attached", self.jobs_reasons())
        self.change("ALTER TABLE item DETACH PARTITION item_3")
        self.wait_for_load(tables, "partition item_3 of item was detached or dropped")
        self.change("DROP TABLE item_3", "DROP TABLE item_1")
        self.wait_for_load(tables, "partition item_1 of item was detached or dropped")
        self.change(
            "CREATE TABLE item_4 (LIKE item INCLUDING ALL)",
            "WITH moved AS (DELETE FROM item WHERE id > 150 AND id < 200 RETURNING *)"
            " INSERT INTO item_4 SELECT id + 150, level, kind, post, plain FROM moved",
            "ALTER TABLE item ATTACH PARTITION item_4 FOR VALUES FROM (300) TO (400)")
        self.wait_for_load(tables, "partition item_4 of item was attached with rows")
        self.voided = self.count_voided()
        self.execute("ALTER TABLE item DETACH PARTITION item_4 CONCURRENTLY")
        self.wait_for_load(tables, "partition item_4 of item was detached or dropped")

    def jobs_reasons(self):
        return " ".join(job["reason"] for job in self.jobs())

    def test_f95_a_new_partition_without_rows(self):
        """A partition that is created ahead costs nothing; a TRUNCATE of it is found as long as it
        has no trigger of ours."""
        self.check_nothing_voided("CREATE TABLE item_5 PARTITION OF item FOR VALUES FROM (400) TO"
                                  " (500)")
        self.check_nothing_voided(
            "INSERT INTO item (id, level) SELECT n, 1 FROM generate_series(400, 420) AS n")
        self.change("TRUNCATE item_5")
        self.wait_for_load(FIELDS["item"] | FIELDS["post"], "item_5 of item, which has no trigger")

    def test_f91_labels(self):
        """The text of an enum label changes in rows that nobody has touched. A new label, and one
        of a column that is not read, change nothing."""
        self.check_nothing_voided("ALTER TYPE kind ADD VALUE 'broken'")
        self.change("ALTER TYPE kind RENAME VALUE 'new' TO 'fresh'")
        self.wait_for_load(FIELDS["item"] | FIELDS["post"], "label new", "fresh")
        self.assertEqual(self.entity(1)["fields"]["kind"], "fresh")

    def test_f91_another_table(self):
        """No table under the name, and another one by renames. Its rows have no triggers, so it is
        loaded when they have."""
        self.change("ALTER TABLE item_tag RENAME TO item_tag_away")
        self.wait_until(lambda: self.count_voided() > self.voided, "voids nothing")
        self.wait_until(lambda: not self.is_complete(), "stays complete")
        self.wait_until(lambda: "no table has the name item_tag" in self.status()["voided_reason"],
                        "does not say why")
        self.change("ALTER TABLE item_tag_away RENAME TO item_tag")
        self.wait_for_load(FIELDS["item_tag"], "a table has the name item_tag again")
        self.change(
            "CREATE TABLE item_tag_new (LIKE item_tag INCLUDING ALL)",
            "INSERT INTO item_tag_new SELECT item, tag + 10 FROM item_tag",
            "ALTER TABLE item_tag RENAME TO item_tag_old",
            "ALTER TABLE item_tag_new RENAME TO item_tag")
        self.wait_until(lambda: "another table has the name" in self.status()["voided_reason"],
                        "does not see the other table")
        self.wait_until(lambda: not self.is_complete(), "stays complete")
        self.producer.stop()
        self.producer.command("triggers", "apply")
        self.producer.start()
        self.wait_for_load(FIELDS["item_tag"], "another table has the name item_tag")
        self.execute("INSERT INTO item_tag VALUES (1, 99)")
        self.pipeline.wait_until_fresh()
        self.check_index()

    def test_f95_changes_while_no_producer_runs(self):
        """The difference is found at the start, and a load that was due is not forgotten."""
        self.producer.stop()
        self.attach("item_6", 500)
        self.producer.start()
        self.wait_for_load(FIELDS["item"] | FIELDS["post"], "item_6 of item was attached")
        jobs = len(self.jobs())
        self.producer.stop()
        self.execute("UPDATE bitdex_sources SET reason = 'was due' WHERE relation = 'item_tag'")
        self.producer.start()
        self.wait_until_healed()
        self.assertEqual([job["reason"] for job in self.jobs()[jobs:] if job["kind"] == "load"],
                         ["was due"])

    def test_l12_a_lock_on_a_new_partition(self):
        """The watch waits for no lock of the application's."""
        self.voided = self.count_voided()
        self.execute("CREATE TABLE item_7 PARTITION OF item FOR VALUES FROM (600) TO (700)")
        with self.pipeline.connect() as blocker:
            blocker.execute("LOCK TABLE item_7")
            time.sleep(3 * WATCH_MS / 1000)  # for the watch to come to the lock
            self.execute("UPDATE item SET level = 66 WHERE id = 1")
            self.wait_until(lambda: self.entity(1)["fields"]["level"] == 66, "waits for a lock")
        self.wait_until_seen()
        self.assertEqual(self.count_voided(), self.voided)

    def ask(self, *entries):
        self.change("""INSERT INTO "BitdexOps" (entity_id, ops) VALUES (0, '%s')""" % json.dumps(
            [{"op": "refresh", "entry": entry, "all": True} for entry in entries]))

    def lose_ops(self, *statements):
        """The statements, without their ops rows."""
        self.change(*statements,
                    'DELETE FROM "BitdexOps" WHERE txid = pg_current_xact_id()')

    def test_a_request_for_all_rows(self):
        """Rows are answered when the load has ended, and not before."""
        self.lose_ops("UPDATE item SET level = 50", "DELETE FROM item_tag WHERE tag = 2")
        self.ask("item.level", "item_tag.tags")
        self.wait_for_load(FIELDS["item"] | FIELDS["item_tag"], "all rows may have changed",
                           "item.level", "item_tag.tags")
        self.check_answered_after_load()

    def check_answered_after_load(self):
        (row,) = self.execute(
            'SELECT max(id) FROM "BitdexOps" WHERE ops @> \'[{"all": true}]\'').fetchone()
        for bodies in self.read_bodies():
            begun = ended = None
            for i, (kind, body) in enumerate(bodies):
                if kind == "bitdex.ParentRefresh" and body["row_id"] == row:
                    begun = i
                if kind == "bitdex.Job" and body["kind"] == "END" and begun is not None:
                    ended = i
                if kind == "bitdex.Chunk" and row in body["answers"]:
                    answered = i
            self.assertLess(begun, ended)
            self.assertLess(ended, answered)

    def test_f87_truncate(self):
        """TRUNCATE asks for all rows of what it empties, also under a snapshot that does not see
        them, and of one partition."""
        with self.pipeline.connect() as old:
            old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            old.execute("SELECT FROM post LIMIT 1")
            self.voided = self.count_voided()
            self.execute("INSERT INTO item_tag VALUES (1, 70), (3, 71)")
            self.execute("INSERT INTO item (id, level) VALUES (2, 9), (102, 9)")
            old.execute("TRUNCATE item_tag, item")
            old.execute("INSERT INTO item (id, level, post) VALUES (5, 5, 5), (150, 6, 6)")
        self.wait_for_load(set().union(*FIELDS.values()), "all rows may have changed")
        self.change("TRUNCATE item_2")
        self.wait_for_load(FIELDS["item"] | FIELDS["post"], "all rows may have changed")
        self.assertFalse(self.entity(150)["alive"])
        self.assertTrue(self.entity(5)["alive"])

    def test_requests_while_a_load_runs(self):
        """A load that is running may have read before: it does not count, and what comes meanwhile
        is one load more."""
        before = len(self.loads())
        self.ask("item.level")
        self.wait_until(lambda: len(self.loads()) > before, "loads nothing")
        for level in (51, 52, 53):
            self.lose_ops(f"UPDATE item SET level = {level}")
            self.ask("item.level")
        self.wait_until_healed()
        self.assertEqual(self.entity(1)["fields"]["level"], 53)
        self.assertLessEqual(len(self.loads()) - before, 4)

    def loads(self):
        """The reasons of those that requests have caused."""
        return self.execute(
            "SELECT reason FROM bitdex_jobs WHERE reason LIKE 'all rows may%'").fetchall()

    def test_f91_triggers_that_were_gone(self):
        """What was written while triggers of ours were dropped or disabled, with a producer or
        without one, is read when `triggers apply` has created them again."""
        for number, change in enumerate([
            "ALTER TABLE item DROP COLUMN spare CASCADE; ALTER TABLE item ADD spare int",
            'ALTER TABLE item_tag DISABLE TRIGGER ALL',
        ], start=1):
            with self.subTest(change):
                self.producer.stop()
                self.execute(change)
                self.execute(f"UPDATE item SET level = {70 + number} WHERE id < 50")
                self.execute(f"UPDATE item_tag SET tag = {70 + number}"
                             f" WHERE tag = {1 + number} AND item < 50")
                self.execute(f"DELETE FROM item_tag WHERE item = {number}")
                lines = self.producer.command("triggers", "diff", check=False).stdout
                self.assertIn("+ request for all rows of", lines)
                self.producer.command("triggers", "apply")
                self.assertEqual(self.producer.command("triggers", "diff").stdout, "")
                self.producer.start()
                self.wait_until_healed()


class Crash(SourceChangesCase):
    def test_l13_between_saving_a_number_and_sending(self):
        """Consumers learn from the next fence that they have missed an event: all fields are
        incomplete until everything is loaded."""
        self.execute("""
            CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock(13); RETURN NULL; END $$;
            CREATE TRIGGER wait AFTER UPDATE OF voided ON bitdex_producers FOR EACH ROW
                EXECUTE FUNCTION wait()""")
        self.execute("SELECT pg_advisory_lock(13)")
        self.change("ALTER TYPE kind RENAME VALUE 'new' TO 'fresh'")
        self.wait_until(lambda: self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
            " AND datname = current_database()").fetchone()[0], "saves no number")
        self.producer.kill()
        self.execute("SELECT pg_advisory_unlock(13)")  # its session continues without it
        while self.count_voided() == self.voided:
            time.sleep(0.1)
        for bodies in self.read_bodies():
            self.assertNotIn("bitdex.Voided", [kind for kind, _ in bodies])
        self.execute("DROP TRIGGER wait ON bitdex_producers")
        self.producer.start()
        self.wait_until(lambda: not self.is_complete(), "stays complete")
        self.wait_until_healed()
        reasons = [job["reason"] for job in self.jobs()]
        self.assertTrue(any("was interrupted before" in reason for reason in reasons), reasons)
        self.assertEqual(self.entity(1)["fields"]["kind"], "fresh")
        self.wait_until(lambda: self.execute(
            "SELECT voided_sent = voided FROM bitdex_producers").fetchone()[0], "sends no number")


if __name__ == "__main__":
    unittest.main()
