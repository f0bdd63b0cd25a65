"""Retention removes rows that every producer has sent from the outbox, and no others."""

import json
import os
import random
import re
import time
import unittest

import gallery
import outbox
import pipeline
import topic
from case import SEED

ROWS = int(os.environ.get("BITDEX_ROWS", 20_000))


class Retention(outbox.OutboxCase):
    sections = {"retention": {"min_age_s": 0, "interval_s": 1, "batch_rows": 1000}}

    def create_second(self):
        """Another producer name on the same database, with its own topic."""
        second = self.create_pipeline(
            self.pipeline.name + "_2", BITDEX_POSTGRES=self.pipeline.dsn
        )
        pipeline.write_config(second.config, self.sections | {"producer": {"name": "second"}})
        second.init()
        return second

    def write(self, rows):
        with self.pipeline.connect() as connection:
            self.insert(connection, rows)

    def count(self):
        with self.pipeline.connect() as connection:
            return connection.execute('SELECT count(*) FROM "BitdexOps"').fetchone()[0]

    def wait_until_removed(self):
        self.producer.wait_until(lambda: self.count() == 0, f"keeps {self.count()} rows")

    def wait_until_held(self):
        """Waits until rows are held back by the second producer, in `trim` and in the status."""
        self.producer.wait_until(
            lambda: self.trim()["removal_held_by"] == "second", "holds nothing back"
        )
        self.producer.wait_until(
            lambda: self.status()["removal_held_by"] == "second", "names nobody"
        )

    def trim(self):
        return json.loads(self.producer.command("trim", "--json").stdout)

    def test_f08_rows_of_a_stopped_producer_stay(self):
        """Rows that one of two producers has not sent are not removed, and its cursor is named.
        Removal continues when that producer has caught up or its cursor is removed."""
        second = self.create_second()
        with self.pipeline.connect() as connection:
            outbox.keep(connection)
        self.producer.start()
        second.producer.start()
        self.write(2500)
        self.wait_until_removed()
        self.assertEqual(second.producer.stop(), 0)
        self.write(1500)
        self.wait_until_held()
        self.assertEqual(self.trim()["removed_rows"], 0)
        self.assertEqual(self.trim()["removal_held_by"], "second")
        self.assertEqual(self.count(), 1500)
        self.producer.wait_until(
            lambda: "cursor remove second" in self.producer.log.read_text(), "logs no remedy")
        self.producer.wait_until(
            lambda: re.search(r'retention_held_seconds{.*cursor="second"} [1-9]',
                              self.producer.api.call("/metrics")[1]), "shows no time")
        second.producer.start()
        self.wait_until_removed()
        outbox.check_kept(self.pipeline, second.topic)
        second.producer.kill()
        self.write(700)
        self.wait_until_held()
        self.producer.command("cursor", "remove", "second")
        self.wait_until_removed()
        outbox.check_kept(self.pipeline)

    def test_requests_stay_until_they_are_answered(self):
        """A row with a request for a refresh stays until every producer has answered it, because it
        is read again after a restart. The other rows go, also later ones."""
        second = self.create_second()
        self.start()
        self.producer.stop()
        with self.pipeline.connect() as connection:
            self.insert(connection, 1500)
            for ops in ({"op": "refresh"}, {"op": "refresh", "entry": "Image.userId", "key": 1}):
                connection.execute(
                    """INSERT INTO "BitdexOps" (entity_id, ops) VALUES (1, %s)""",
                    (json.dumps([ops]),),
                )
            self.insert(connection, 1500)
        second.producer.start()
        second.producer.wait_until(self.second_has_sent, "does not deliver")
        second.producer.stop()
        self.set_answered("second", "'1:1:'")  # as if it still owed the answers
        self.producer.start()
        self.producer.wait_until(lambda: self.count() == 2, f"keeps {self.count()} rows")
        time.sleep(2.5)
        self.assertEqual(self.trim()["removed_rows"], 0)
        self.assertEqual(self.count(), 2)
        self.set_answered("second", "s1")
        self.wait_until_removed()

    def second_has_sent(self):
        """Does the saved position of the second producer see all rows?"""
        with self.pipeline.connect() as connection:
            return connection.execute(
                """SELECT EXISTS (SELECT FROM bitdex_windows w WHERE name = 'second'
                AND NOT EXISTS (SELECT FROM "BitdexOps" WHERE NOT pg_visible_in_snapshot(txid, s1)))
                """
            ).fetchone()[0]

    def set_answered(self, name, snapshot):
        with self.pipeline.connect() as connection:
            connection.execute(
                f"UPDATE bitdex_windows SET answered = {snapshot} WHERE name = %s", (name,)
            )

    def test_f07_first_start_on_a_trimmed_table(self):
        """A first cursor on a trimmed outbox with high ids delivers the rows that exist and reports
        no backlog for removed rows."""
        with self.pipeline.connect() as connection:
            connection.execute("""SELECT setval('"BitdexOps_id_seq"', 1000000000000)""")
            self.insert(connection, 1000)
            connection.execute('DELETE FROM "BitdexOps" WHERE entity_id <= 900')
        pipeline.write_config(self.pipeline.config, {})  # without retention
        self.pipeline.start()
        self.pipeline.wait_until_fresh()
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        with self.pipeline.connect() as connection:
            delivered = topic.check_delivery(connection, events)
        self.assertEqual(sum(map(len, delivered.values())), 100)
        backlogs = [
            event["body"][1]["backlog_rows"]
            for records in events.values()
            for _, _, event in records
            if event["body"][0] == "bitdex.Mark"
        ]
        self.assertLessEqual(max(backlogs), 100)

    def test_f60_cursor_of_another_history_proves_nothing(self):
        """After a failover the snapshots of the old cursor do not describe this database, so it
        holds back every row."""
        self.producer.start()
        self.write(100)
        self.wait_until_removed()
        self.producer.stop()
        self.write(100)
        with self.pipeline.connect() as connection:
            connection.execute("""UPDATE bitdex_producers SET timeline = '000000FF'""")
            connection.execute(
                """UPDATE bitdex_windows SET s1 = pg_current_snapshot(),
                s2 = pg_current_snapshot()"""
            )
        second = self.create_second()
        second.producer.start()
        second.producer.wait_until(
            lambda: second.producer.api.get("/api/status")["removal_held_by"] == "default",
            "does not see that the old cursor holds rows back",
        )
        self.assertEqual(self.count(), 100)

    def test_f61_removed_rows_are_not_read_again(self):
        """While an open transaction keeps removed rows in the indexes, neither retention nor
        polling reads their index entries again."""
        self.producer.start()
        with self.pipeline.connect() as holder, self.pipeline.connect(autocommit=True) as reader:
            holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            holder.execute("SELECT 1")
            self.write(ROWS)
            self.wait_until_removed()
            reads = [self.index_reads(reader)]
            for _ in range(20):  # the removal itself may be reported late
                time.sleep(2.5)  # some passes of retention and many polls
                reads.append(self.index_reads(reader))
                if reads[-1] - reads[-2] < ROWS // 2:
                    break
            self.assertLess(reads[-1] - reads[-2], ROWS // 2, reads)

    def index_reads(self, connection):
        """How many index entries of the outbox have been read so far."""
        (reads,) = connection.execute(
            """SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'BitdexOps'"""
        ).fetchone()
        return reads

    def test_writers_and_a_crash(self):
        """Retention under writers and an open transaction, by a producer that is killed repeatedly:
        every committed row is delivered once, and at the end none is left in the outbox."""
        rng = random.Random(SEED)
        with self.pipeline.connect() as connection:
            outbox.keep(connection)
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            for _ in gallery.insert_rows(connection, 100):
                pass
        with self.pipeline.connect() as holder:
            self.insert(holder, 2000, "10000 + n")
            with self.writers(threads=4, pause_s=0.02) as writers:
                for _ in range(3):
                    time.sleep(rng.random())
                    self.producer.kill()
                    self.producer.start()
                self.producer.wait_until(
                    lambda: self.status()["removed_rows"] > 0, "removes nothing beside writers"
                )
            holder.commit()
        self.assertGreater(writers.committed, 20)
        self.pipeline.wait_until_fresh()
        self.wait_until_removed()
        topic.check_order(outbox.check_kept(self.pipeline))

    def test_size_stays_flat(self):
        """With regular vacuum the outbox does not grow while rows pass through it."""
        self.producer.start()
        sizes = []
        with self.pipeline.connect(autocommit=True) as connection:
            for _ in range(6):
                self.write(2000)
                self.wait_until_removed()
                connection.execute('VACUUM (TRUNCATE false) "BitdexOps"')
                (size,) = connection.execute(
                    """SELECT pg_total_relation_size('"BitdexOps"')"""
                ).fetchone()
                sizes.append(size)
        # A vacuum beside a snapshot of another session leaves its rows to the next one.
        self.assertLess(sizes[-1], 4 * sizes[0], sizes)

    def test_young_rows_stay(self):
        """A row is kept for min_age, even when its created_at is NULL, infinite or in the future.
        """
        sections = {"retention": {"min_age_s": 3600, "interval_s": 1}}
        pipeline.write_config(self.pipeline.config, sections)
        self.producer.start()
        with self.pipeline.connect() as connection:
            self.insert(connection, 5)
            connection.execute(
                """INSERT INTO "BitdexOps" (entity_id, ops, created_at)
                SELECT 7, '[{"op": "alive"}]', moment FROM unnest(ARRAY[NULL, 'infinity',
                '-infinity', now() + '1 day', now() - '2 h'::interval]::timestamptz[]) AS moment"""
            )
        self.producer.wait_until(lambda: self.count() == 5, "keeps old rows")
        self.assertEqual(self.trim()["removed_rows"], 0)


if __name__ == "__main__":
    unittest.main()
