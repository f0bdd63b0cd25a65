"""The `cursor` commands, and the guards that make a producer refuse to start."""

import concurrent.futures
import contextlib
import json
import time
import unittest

import confluent_kafka
import confluent_kafka.admin
import gallery
import index
import pooler
import psycopg.conninfo
import topic
from case import GalleryCase

BROKEN = [  # (a change of the source, part of the refusal, how the change is undone)
    ("""ALTER SEQUENCE "BitdexOps_id_seq" CACHE 10""", "CACHE 1",
     """ALTER SEQUENCE "BitdexOps_id_seq" CACHE 1"""),
    ("""ALTER SEQUENCE "BitdexOps_id_seq" INCREMENT 2""", "INCREMENT 1",
     """ALTER SEQUENCE "BitdexOps_id_seq" INCREMENT 1"""),
    ("""ALTER TABLE "BitdexOps" ALTER txid DROP DEFAULT""", "DEFAULT pg_current_xact_id()",
     """ALTER TABLE "BitdexOps" ALTER txid SET DEFAULT pg_current_xact_id()"""),
    ("""ALTER TABLE "BitdexOps" DROP CONSTRAINT bitdex_ops_txid_is_own""", "NOT VALID",
     """ALTER TABLE "BitdexOps" ADD CONSTRAINT bitdex_ops_txid_is_own
        CHECK (txid = pg_current_xact_id()) NOT VALID"""),
    ("""DROP INDEX bitdex_ops_txid""", "valid indexes",
     """CREATE INDEX bitdex_ops_txid ON "BitdexOps" (txid)"""),
    ("""CREATE TRIGGER trg_cleanup_bitdex_ops BEFORE UPDATE ON bitdex_cursors
        FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()""",
     "deletes outbox rows that were never sent",
     """DROP TRIGGER trg_cleanup_bitdex_ops ON bitdex_cursors"""),
    ("""UPDATE bitdex_windows SET seq = '{1}'""", "not those of 4 partitions",
     """UPDATE bitdex_windows SET seq = '{0,0,0,0}'"""),
    ("""ALTER TABLE bitdex_jobs RENAME plan TO gone""", "of an earlier version: run",
     """ALTER TABLE bitdex_jobs RENAME gone TO plan"""),
    ("""ALTER TABLE bitdex_windows RENAME TO gone""", "tables of the producer",
     """ALTER TABLE gone RENAME TO bitdex_windows"""),
]

POOLED = [  # commands that use the database
    "init", "triggers apply", "triggers diff", "triggers drop", "trim", "load --no-wait", "verify",
    "jobs list", "jobs cancel 1", "cursor show", "cursor set now", "cursor adopt",
    "cursor remove default", "dead-letters list", "dead-letters show 1", "dead-letters retry 1",
]


class Refusals(GalleryCase):
    def setUp(self):
        super().setUp()
        self.producer = self.pipeline.producer

    def refused(self, word, command="run"):
        """Checks that `command` exits with 1, reports `word`, and writes nothing to the topic."""
        before = topic.read_ends(self.pipeline.kafka, self.pipeline.topic)
        done = self.producer.command(*command.split(), check=False)
        self.assertEqual(done.returncode, 1, (command, done.stderr))
        self.assertIn(word, done.stderr)
        after = topic.read_ends(self.pipeline.kafka, self.pipeline.topic)
        self.assertEqual(after, before, command)

    def execute(self, statement, *parameters):
        with self.pipeline.connect() as connection:
            return connection.execute(statement, parameters or None)

    def drain_some(self):
        """Drains a small gallery and stops the producer, so that there is a saved position."""
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.producer.stop(), 0)

    def test_f04_f08_f09_f65_source_that_breaks_a_law(self):
        """The producer refuses a sequence with CACHE or INCREMENT, an outbox without the default or
        the constraint of txid, a missing index, the legacy cleanup trigger, and a cursor that
        cannot be read."""
        self.drain_some()
        for broken, word, mended in BROKEN:
            with self.subTest(broken):
                self.execute(broken)
                try:
                    self.refused(word)
                finally:
                    self.execute(mended)

    def test_f63_topic_with_wrong_settings(self):
        """A topic that is compacted, or that keeps the producer's timestamps, is refused."""
        self.drain_some()
        for name, wrong, right in (
            ("message.timestamp.type", "CreateTime", "LogAppendTime"),
            ("cleanup.policy", "compact", "delete"),
        ):
            topic.configure(self.pipeline.kafka, self.pipeline.topic, name, wrong)
            self.refused(f"{name}={right}")
            topic.configure(self.pipeline.kafka, self.pipeline.topic, name, right)

    def test_f09_lost_position(self):
        """A cursor that has lost its position is refused, not taken for a new one."""
        self.drain_some()
        self.execute("DELETE FROM bitdex_windows")
        self.refused("lost its rows in bitdex_windows")

    def test_f65_rows_of_another_clusters_transactions(self):
        """A row with another transaction's id cannot be inserted. Rows of a restored dump whose
        transactions this cluster has yet to begin are refused, because they would be sent late,
        over newer values."""
        self.drain_some()
        foreign = """INSERT INTO "BitdexOps" (entity_id, ops, txid)
            SELECT 1, '[{"op": "alive"}]', (pg_current_xact_id()::text::int8 + 1000)::text::xid8"""
        with self.assertRaises(psycopg.errors.CheckViolation):
            self.execute(foreign)
        constraint, _, again = BROKEN[3]
        self.execute(f"{constraint}; {foreign}; {again}")
        self.refused("has not begun yet")
        self.refused("has not begun yet", "cursor adopt")
        self.execute("""DELETE FROM "BitdexOps"
            WHERE txid >= pg_snapshot_xmax(pg_current_snapshot())""")
        done = self.pipeline.producer.command("cursor", "adopt")
        self.assertIn("nothing is wrong", done.stdout)

    def test_f06_cursor_from_the_future(self):
        """A saved position that this database has not reached is refused, and so is one whose row
        id the sequence would issue again."""
        self.drain_some()
        self.execute("""UPDATE bitdex_windows SET s2 = (SELECT (xid + 1000)::text || ':' ||
            (xid + 1000)::text || ':' FROM (SELECT pg_current_xact_id()::text::int8) x(xid))
            ::pg_snapshot""")
        self.refused("in the future of this database")
        self.refused("in the future of this database", "cursor set now")
        self.execute("UPDATE bitdex_windows SET s2 = s1, last_row_id = last_row_id + 1000")
        self.refused("setval()")

    def test_f06_an_id_that_no_sequence_has_given(self):
        """A row with an explicit id, far above the sequence's, is sent like any other, and the next
        session begins as always. That the sequence went back is still noticed."""
        self.drain_some()
        self.producer.start()
        self.execute("""INSERT INTO "BitdexOps" (id, entity_id, ops)
            VALUES (9223372036854775000, 1, '[{"op": "set", "field": "minor", "value": true}]')""")
        self.change_images(5)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.producer.stop(), 0)
        self.producer.start()
        self.change_images(5)
        self.pipeline.wait_until_fresh()
        self.assertEqual(self.producer.stop(), 0)
        self.execute("""SELECT setval('"BitdexOps_id_seq"', 1)""")
        self.refused("setval()")

    def test_f06_a_position_that_is_saved_meanwhile(self):
        """A position that a running producer saves while a command checks the cursor is not one of
        the future."""
        self.drain_some()
        with self.pipeline.connect() as saving, concurrent.futures.ThreadPoolExecutor(1) as pool:
            saving.execute("LOCK TABLE bitdex_windows IN ACCESS EXCLUSIVE MODE")
            checking = pool.submit(self.producer.command, "check", check=False)
            self.wait_until_locked()
            self.execute("SELECT pg_current_xact_id()")
            saving.execute("""INSERT INTO bitdex_windows SELECT (jsonb_populate_record(w,
                jsonb_build_object('tick', tick + 1, 's2', pg_current_snapshot()::text))).*
                FROM bitdex_windows w ORDER BY tick DESC, sub_id DESC LIMIT 1""")
            saving.commit()
            self.assertIn("ok       cursor\n", checking.result().stdout)

    def wait_until_locked(self):
        """Returns when a session of the producer waits for a lock."""
        deadline = time.monotonic() + 120
        while self.execute("""SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND
                datname = current_database()""").rowcount == 0:
            self.assertLess(time.monotonic(), deadline, "nothing waits for a lock")
            time.sleep(0.02)

    def test_f53_partitions_were_added(self):
        """A topic that has got more partitions is refused, also by `cursor adopt`, because entities
        would move between shards."""
        self.drain_some()
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.pipeline.kafka})
        more = confluent_kafka.admin.NewPartitions(self.pipeline.topic, 6)
        created = admin.create_partitions([more], request_timeout=topic.REQUEST_S)
        created[self.pipeline.topic].result()
        deadline = time.monotonic() + topic.REQUEST_S
        while len(topic.read_ends(self.pipeline.kafka, self.pipeline.topic)) < 6:
            self.assertLess(time.monotonic(), deadline, "has no more partitions")
            time.sleep(0.05)
        self.refused("6 partitions")
        self.refused("6 partitions", "cursor adopt")

    def test_f69_f119_connection_pooler(self):
        """Every command refuses a connection through a pooler, because its session lock protects
        nothing there, and before it leaves a setting or a lock in a session of other clients. So
        does a consumer that writes its positions to the database."""
        self.create_tables()
        parameters = psycopg.conninfo.conninfo_to_dict(self.pipeline.dsn)
        with pooler.Pooler(self.postgres.port) as proxy:
            through = psycopg.conninfo.make_conninfo(**parameters | {"port": proxy.port})
            self.producer.set_variable("BITDEX_POSTGRES", through)
            for command in ["run", *POOLED]:
                self.refused("connection pooler", command)
            checked = self.producer.command("check", check=False)
            self.assertEqual(checked.returncode, 1)
            self.assertIn("connection pooler", checked.stdout)
            self.producer.set_variable("BITDEX_POSTGRES", self.pipeline.dsn)
            self.producer.start()
            consumer = self.pipeline.consumer
            consumer.set_variable("BITDEX_POSTGRES", through)
            consumer.start()
            consumer.wait_until(lambda: "connection pooler" in consumer.log.read_text(),
                                "writes its positions through the pooler")
            self.pipeline.wait_until_fresh()  # without that table
            self.assertIn(b"pg_backend_pid", proxy.sent)
            for left in [b"SET ", b"advisory", b"BEGIN"]:
                self.assertNotIn(left, proxy.sent)

    def test_f66_topic_created_again(self):
        """A topic that was deleted and created again is refused until `cursor adopt` gives it a new
        topic id; the index becomes complete again."""
        self.drain_some()
        self.pipeline.consumer.stop()
        topic.delete(self.pipeline.kafka, self.pipeline.topic)
        self.refused("does not exist")
        self.pipeline.init()
        self.refused("created again")
        (before,) = self.execute("SELECT topic_id FROM bitdex_producers").fetchone()
        self.producer.command("cursor", "adopt")
        (after,) = self.execute("SELECT topic_id FROM bitdex_producers").fetchone()
        self.assertNotEqual(before, after)
        self.pipeline.remove_index()
        self.pipeline.start()
        self.check_adopted()

    def check_adopted(self):
        """The producer does the load that `cursor adopt` has queued; rows that are written
        meanwhile arrive as well."""
        self.execute("""INSERT INTO "Image" (url, "userId") VALUES ('new', 7777)""")
        self.pipeline.consumer.wait_until(
            lambda: all(partition["complete"] for partition in self.pipeline.partitions()),
            "is not complete after the load",
        )
        self.pipeline.wait_until_fresh()
        self.assertGreater(index.check_equal(self.pipeline), 0)

    def test_no_backlog_after_an_epoch_was_opened(self):
        """Ids that the sequence has given and no row has are no backlog: every watermark of a new
        epoch says so, before a row is written."""
        self.drain_some()
        self.execute("""SELECT setval('"BitdexOps_id_seq"', 60000)""")
        for epoch, command, history in (2, "set now", ""), (3, "adopt", "|| '1'"):
            self.execute("UPDATE bitdex_producers SET system_identifier = "
                         f"system_identifier{history}")
            self.producer.command("cursor", *command.split())
            self.producer.start()
            backlogs = self.read_backlogs(epoch)
            self.producer.wait_until(lambda: len(next(backlogs)) > 8, "sends no watermarks")
            self.assertEqual(set(next(backlogs)), {0})
            self.producer.stop()

    def read_backlogs(self, epoch):
        """Yields again and again the backlogs of all watermarks of the epoch so far."""
        backlogs = []
        with contextlib.closing(topic.Reader(self.pipeline.kafka, self.pipeline.topic)) as reader:
            while True:
                for records in reader.read().values():
                    for _, _, event in records:
                        kind, mark = event["body"]
                        if event["epoch"] == epoch and kind == "bitdex.Mark" and (
                                mark["kind"] == "WATERMARK"):
                            backlogs.append(mark["backlog_rows"])
                yield backlogs

    def test_f75_cursor_that_changes_meanwhile(self):
        """When another process takes the cursor over while `cursor adopt` runs, the command writes
        nothing and exits with 1."""
        self.drain_some()
        self.execute("UPDATE bitdex_producers SET system_identifier = '1'")
        with self.pipeline.connect() as other, concurrent.futures.ThreadPoolExecutor() as pool:
            other.execute("UPDATE bitdex_producers SET generation = generation + 1")
            adoption = pool.submit(self.producer.command, "cursor", "adopt", check=False)
            while not adoption.done() and not self.execute(
                "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
                " AND locktype = 'transactionid' AND datname = current_database()"
            ).fetchone():
                time.sleep(0.02)
            other.commit()
            done = adoption.result()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("was changed meanwhile", done.stderr)
        saved = self.execute("""SELECT max(epoch), (SELECT count(*) FROM bitdex_jobs)
            FROM bitdex_producers""").fetchone()
        self.assertEqual(saved, (1, 0))

    def test_cursor_that_was_removed(self):
        """A producer whose cursor was removed refuses a topic that holds its old events, until
        `cursor adopt` opens an epoch above them."""
        self.drain_some()
        self.producer.command("cursor", "remove", "default")
        self.refused("another cursor")
        self.producer.command("cursor", "adopt")
        self.producer.start()
        self.check_adopted()


class Commands(GalleryCase):
    def show(self):
        return json.loads(self.pipeline.producer.command("cursor", "show", "--json").stdout)

    def test_f08_show_and_remove(self):
        """`cursor show` lists every cursor with the rows that it holds back in the outbox; `cursor
        remove` removes the cursor of a producer that is gone, and refuses a running one's."""
        producer = self.pipeline.producer
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        with self.pipeline.connect() as connection:
            connection.execute("""
                INSERT INTO bitdex_producers SELECT 'dead', 1, 3, 'gone', gen_random_uuid(), 4,
                    system_identifier, timeline, true FROM bitdex_producers;
                INSERT INTO bitdex_windows SELECT 'dead', 7, 0, 3, '1:1:', '1:1:', 0, seq, digest,
                    offsets FROM bitdex_windows ORDER BY tick LIMIT 1""")
            (rows,) = connection.execute('SELECT count(*) FROM "BitdexOps"').fetchone()
        dead, own = sorted(self.show(), key=lambda cursor: cursor["running"])
        self.assertEqual((own["name"], own["running"], own["epoch"]), ("default", True, 1))
        self.assertEqual(own["topic"], self.pipeline.topic)
        self.assertEqual((dead["name"], dead["generation"], dead["tick"]), ("dead", 3, 7))
        self.assertEqual(dead["holds_back_rows"], rows)
        self.assertIsNotNone(dead["holds_back_since"])
        self.assertIn("holds_back_rows", producer.command("cursor", "show").stdout)

        refused = producer.command("cursor", "remove", "default", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is running: stop it", refused.stderr)
        producer.command("cursor", "remove", "dead")
        self.assertEqual([cursor["name"] for cursor in self.show()], ["default"])
        self.assertEqual(producer.command("cursor", "remove", "dead", check=False).returncode, 1)
        self.check_end(changed=False)

    def test_set_moves_the_cursor(self):
        """`cursor set` to the beginning, a snapshot or now opens a new epoch: its seqs begin at 1,
        it delivers exactly the rows that the position does not see, and indexes follow it."""
        producer = self.pipeline.producer
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        self.assertEqual(producer.command("cursor", "set", "now", check=False).returncode, 1)
        producer.stop()
        for wrong in ("everything", "5:4:", "1:99999999:"):
            done = producer.command("cursor", "set", wrong, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
        with self.writers(threads=4) as writers:
            with self.pipeline.connect() as connection:
                (snapshot,) = connection.execute("SELECT pg_current_snapshot()").fetchone()
            before = writers.committed
            self.pipeline.consumer.wait_until(
                lambda: writers.committed > before + 40, "has no writers beside it")
        for epoch, position in enumerate(["now", snapshot, "beginning"], start=2):
            producer.command("cursor", "set", position)
            wanted = self.rows_to_send()
            producer.start()
            self.pipeline.wait_until_fresh()
            producer.stop()
            self.assertEqual(self.rows_of_epoch(epoch), wanted, position)
            self.assertEqual(position == "now", not wanted)
        self.assertEqual(self.show()[0]["epoch"], epoch)
        self.assertGreater(index.check_equal(self.pipeline), 0)
        self.assertFalse(any(partition["complete"] for partition in self.pipeline.partitions()))

    def rows_to_send(self):
        with self.pipeline.connect() as connection:
            return {row for (row,) in connection.execute("""
                SELECT id FROM "BitdexOps", (SELECT s2 FROM bitdex_windows
                    ORDER BY tick DESC, sub_id DESC LIMIT 1) w
                WHERE NOT pg_visible_in_snapshot(txid, s2)""")}

    def rows_of_epoch(self, epoch):
        """The ids of the rows that were sent in an epoch; their seqs have to be dense. What is sent
        again has its seq again."""
        rows = set()
        for records in topic.read(self.pipeline.kafka, self.pipeline.topic).values():
            numbered = {}
            for _, _, event in records:
                if event["epoch"] == epoch and "row_id" in event["body"][1]:
                    row = numbered.setdefault(event["seq"], event["body"][1]["row_id"])
                    self.assertEqual(event["body"][1]["row_id"], row)
            self.assertEqual(list(numbered), list(range(1, len(numbered) + 1)))
            rows |= set(numbered.values())
        return rows


if __name__ == "__main__":
    unittest.main()
