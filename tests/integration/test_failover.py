"""The database is replaced by another one. After a failover that lost nothing that was sent, the
producer continues in the same epoch. Otherwise it refuses to continue and explains why, until
`cursor adopt` opens a new epoch. Indexes are incomplete from then on, until a load has ended."""

import itertools
import os
import random
import signal
import subprocess
import time
import unittest

import balancer
import index
import psycopg
import servers
import topic
from case import SECONDS, SEED, GalleryCase

OTHER_HISTORY = """
SELECT timeline_id, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
FROM pg_control_checkpoint()
"""


class Failover(GalleryCase):
    sections = {"producer": {"load": {"share": 0.2}}}  # a failover may interrupt a load

    def setUp(self):
        super().setUp()
        self.producer = self.pipeline.producer
        self.primary = self.server("primary")
        self.pipeline.move_to(self.primary)
        self.pipeline.create_database()

    def server(self, name, **arguments):
        """Starts a database server for this test alone."""
        settings = {"checkpoint_timeout": "1h", "shared_buffers": "32MB"}
        server = servers.Postgres(self.pipeline.directory / name, settings, **arguments)
        self.addCleanup(server.remove)
        server.start()
        return server

    def refused(self, word):
        done = self.producer.command("run", check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(word, done.stderr)

    def execute(self, statement):
        with self.pipeline.connect(autocommit=True) as connection:
            return connection.execute(statement)

    def write(self, user, images=200):
        self.execute(
            f"""INSERT INTO "Image" (url, "userId") SELECT 'x', {user}
                FROM generate_series(1, {images})"""
        )

    def count(self, user):
        """The index's answer to a query for that user's images."""
        return self.pipeline.query({"filters": [{"Eq": ["userId", {"Integer": user}]}]})

    def adopt(self, epoch, is_cancelled=True):
        """Adopts; checks that rows written from then on arrive, and that a load makes the index
        complete and equal to the tables again. `is_cancelled`: the queued load is ended before the
        producer starts, so that the index is incomplete until another one is asked for."""
        self.producer.command("cursor", "adopt")
        ((job, *queued),) = self.execute("""SELECT id, kind, state FROM bitdex_jobs
            WHERE state = 'queued'""").fetchall()
        self.assertEqual(queued, ["load", "queued"])
        if is_cancelled:
            self.producer.command("jobs", "cancel", str(job))
        (first,) = self.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
        self.producer.start()
        user = 7000 + epoch
        self.write(user)
        self.pipeline.wait_until_fresh()
        rows = self.rows_of_epoch(epoch)
        wanted = self.execute(f'SELECT id FROM "BitdexOps" WHERE id > {first}').fetchall()
        self.assertEqual(rows, sorted(row for (row,) in wanted))
        if is_cancelled:
            reply = self.count(user)
            self.assertEqual((reply["total_matched"], reply["complete"]), (200, False))
            for partition in self.pipeline.partitions():
                self.assertIn("new epoch", partition["reason"])
            self.producer.command("load")
        self.pipeline.consumer.wait_until(
            lambda: all(partition["complete"] for partition in self.pipeline.partitions()),
            "is not complete after the load",
        )
        self.pipeline.wait_until_fresh()
        self.assertGreater(index.check_equal(self.pipeline), 0)

    def rows_of_epoch(self, epoch):
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        return sorted({
            event["body"][1]["row_id"]
            for records in events.values()
            for _, _, event in records
            if event["epoch"] == epoch and "row_id" in event["body"][1]
        })

    def promote(self, standby, old):
        """Kills `old` and promotes the standby. Its control file still names the old timeline,
        because there is no checkpoint, as it may be late on a busy server."""
        old.kill()
        self.pipeline.move_to(standby)
        standby.start()
        (checkpointer,) = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()
        os.kill(checkpointer, signal.SIGSTOP)
        standby.promote()
        control, current = self.execute(OTHER_HISTORY).fetchone()
        self.assertEqual((control, current), (1, 2), "the control file is already up to date")

    def test_f05_f60_f80_f83_f99_failover_twice(self):
        """A standby is refused. After its promotion it issues ids and transaction ids again that
        were already sent, and its control file still names the old timeline: refused until it is
        adopted. A second failover, which loses the adoption, opens another epoch."""
        first, second = (
            self.server(name, copy_of=self.primary, is_standby=True) for name in ("first", "second")
        )
        self.create_gallery(images=2000)
        self.pipeline.wait_until_fresh()
        self.producer.stop()
        self.catch_up(first, second)
        self.refused("this server is a standby")
        self.refused_by_a_balancer(self.primary, second)
        self.pipeline.move_to(self.primary)
        first.stop()
        second.stop()
        self.producer.start()
        self.write(6000)
        self.pipeline.wait_until_fresh()
        self.assertTrue(self.count(6000)["complete"])
        self.producer.kill()

        self.promote(first, self.primary)
        self.refused("failed over")
        self.adopt(epoch=2)
        self.assertTrue(set(self.rows_of_epoch(1)) & set(self.rows_of_epoch(2)), "no id used again")
        self.assertEqual(self.count(6000)["total_matched"], 0)  # the load has removed them
        self.producer.kill()

        self.promote(second, first)
        self.refused("failed over")
        self.adopt(epoch=3, is_cancelled=False)

    def refused_by_a_balancer(self, *postgres):
        """The first connection leads to the primary, the second one to a standby."""
        with balancer.Balancer(itertools.cycle(server.port for server in postgres)) as between:
            self.producer.set_variable("BITDEX_POSTGRES", psycopg.conninfo.make_conninfo(
                self.pipeline.dsn, port=between.port))
            self.refused("this server is a standby")

    def catch_up(self, *standbys):
        """Waits until the standbys have replayed everything. The last one is the pipeline's
        database afterwards."""
        (end,) = self.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        has_caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{end}'"
        for standby in standbys:
            self.pipeline.move_to(standby)
            self.pipeline.consumer.wait_until(
                lambda: self.execute(has_caught_up).fetchone()[0], "waits for a standby"
            )

    def test_f104_f122_failover_that_lost_nothing(self):
        """The primary is killed under write load, with a load queued or begun. What was sent is on
        its synchronous standby: the producer continues there in the same epoch, the index stays
        complete, and the load ends. `cursor adopt` says the same, and changes nothing."""
        standby = self.server("standby", copy_of=self.primary, is_standby=True)
        self.create_gallery(images=500)
        self.replicate_synchronously()
        with self.writers(threads=4, reconnect=True):
            time.sleep(SECONDS)
            self.producer.command("load", "--no-wait")
            time.sleep(random.Random(SEED).random())
            self.promote(standby, self.primary)
        self.producer.kill()
        before = self.read_cursor()
        self.assertEqual(before[1:], (1, "00000001", 1))
        self.assertIn("note     cursor: the database was restored or failed over",
            self.producer.command("check").stdout)
        refused = self.producer.command("cursor", "set", "now", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("start the producer first", refused.stderr)
        self.assertIn("nothing was changed", self.producer.command("cursor", "adopt").stdout)
        self.assertEqual(self.read_cursor(), before)
        self.producer.start()
        self.write(6000)
        self.pipeline.consumer.wait_until(
            lambda: self.execute("SELECT state FROM bitdex_jobs").fetchone() == ("done",),
            "waits for the load",
        )
        self.check_end()
        self.assertEqual(self.read_cursor()[1:], (1, "00000002", 1))
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)
        self.producer.stop()
        self.assertIn("nothing was changed", self.producer.command("cursor", "adopt").stdout)

    def replicate_synchronously(self):
        """From now on what is saved with a synchronous commit waits for the standby. The commits of
        writers wait for nothing."""
        self.execute(f'ALTER DATABASE "{self.pipeline.name}" SET synchronous_commit = off')
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.execute("SELECT pg_reload_conf()")
        self.producer.wait_until(
            lambda: self.execute("""SELECT 1 FROM pg_stat_replication
                WHERE state = 'streaming' AND sync_state = 'sync'""").fetchone(),
            "has no synchronous standby",
        )

    def read_cursor(self):
        return self.execute("""SELECT generation, epoch, timeline,
            (SELECT count(*) FROM bitdex_jobs WHERE kind = 'load')
            FROM bitdex_producers""").fetchone()

    def test_f76_rolled_back_on_the_same_timeline(self):
        """An older copy of the database, with the same system identifier and timeline, would use
        numbers, ids and transaction ids that are on the topic already: refused until it is adopted.
        """
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()
        copy = self.server("copy", copy_of=self.primary)
        self.write(6000)
        self.pipeline.wait_until_fresh()
        self.producer.kill()
        self.primary.kill()
        self.pipeline.move_to(copy)
        self.write(6001)
        self.refused("ahead of the cursor")
        self.adopt(epoch=2)

    def test_f06_dump_restored_into_a_younger_cluster(self):
        """A dump that is restored into a cluster whose transaction ids are lower than those of the
        dump's rows and cursor is refused."""
        self.create_gallery(images=50)
        self.execute("""DO $$ BEGIN FOR i IN 1..3000 LOOP
            PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$""")
        self.write(6000)
        self.pipeline.wait_until_fresh()
        self.producer.kill()
        programs = servers.Postgres.bin_directory()
        dump = subprocess.run(
            [programs / "pg_dump", self.pipeline.dsn], check=True, capture_output=True
        ).stdout
        self.pipeline.move_to(self.server("younger"))
        self.pipeline.create_database()
        subprocess.run(
            [programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", self.pipeline.dsn],
            input=dump, check=True, stdout=subprocess.DEVNULL,
        )
        self.refused("not begun yet")
        self.execute("""DELETE FROM "BitdexOps"
            WHERE txid >= pg_snapshot_xmax(pg_current_snapshot())""")
        self.refused("another database cluster")
        self.adopt(epoch=2)


if __name__ == "__main__":
    unittest.main()
