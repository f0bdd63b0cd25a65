"""The database becomes another one behind the producer's back: it stops, says so, and goes on in a
new epoch once it is told to. Indexes never call what they have then complete."""

import subprocess
import unittest

import servers
import topic
from case import GalleryCase

OTHER_HISTORY = """
SELECT timeline_id, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
FROM pg_control_checkpoint()
"""


class Failover(GalleryCase):
    def setUp(self):
        super().setUp()
        self.producer = self.pipeline.producer
        self.primary = self.server("primary")
        self.pipeline.move_to(self.primary)
        self.pipeline.create_database()

    def server(self, name, **arguments):
        """A database server of this test's own, started."""
        # A checkpoint after a promotion would take its time, as it does on a busy server.
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
        """Images of that user, as the index has them."""
        return self.pipeline.query({"filters": [{"Eq": ["userId", {"Integer": user}]}]})

    def adopt(self, epoch):
        """Opens a new epoch; what is written from then on arrives, and nothing is complete."""
        self.producer.command("cursor", "adopt")
        jobs = self.execute("SELECT kind, state FROM bitdex_jobs WHERE state = 'queued'").fetchall()
        self.assertEqual(jobs, [("load", "queued")])
        (first,) = self.execute('SELECT max(id) FROM "BitdexOps"').fetchone()
        self.producer.start()
        user = 7000 + epoch
        self.write(user)
        self.pipeline.wait_until_fresh()
        rows = self.rows_of_epoch(epoch)
        wanted = self.execute(f'SELECT id FROM "BitdexOps" WHERE id > {first}').fetchall()
        self.assertEqual(rows, sorted(row for (row,) in wanted))
        reply = self.count(user)
        self.assertEqual((reply["total_matched"], reply["complete"]), (200, False))
        for partition in self.pipeline.partitions():
            self.assertIn("new epoch", partition["reason"])

    def rows_of_epoch(self, epoch):
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        return sorted({
            event["body"][1]["row_id"]
            for records in events.values()
            for _, _, event in records
            if event["epoch"] == epoch and event["body"][0] != "bitdex.Mark"
        })

    def promote(self, standby, old):
        """`old` dies with rows that the standby has never got, and the standby takes its place,
        with no checkpoint yet."""
        old.kill()
        self.pipeline.move_to(standby)
        standby.start()
        standby.promote()
        control, current = self.execute(OTHER_HISTORY).fetchone()
        self.assertEqual((control, current), (1, 2), "the control file is not behind")

    def test_f05_f60_f80_f83_failover_twice(self):
        """A standby is refused until it is promoted. Promoted, it gives ids and transactions that
        were sent to other rows, and its control file goes on naming the old timeline. A second
        failover, which loses the adoption too, must not open the same epoch again."""
        first, second = (
            self.server(name, copy_of=self.primary, is_standby=True) for name in ("first", "second")
        )
        self.create_gallery(images=2000)
        self.pipeline.wait_until_fresh()
        self.producer.stop()
        self.catch_up(first, second)
        self.refused("this server is a standby")
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
        self.assertGreater(self.count(6000)["total_matched"], 0)  # for the load to remove
        self.producer.kill()

        self.promote(second, first)
        self.refused("failed over")
        self.adopt(epoch=3)

    def catch_up(self, *standbys):
        """Ends with the last one as the pipeline's database."""
        (end,) = self.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        behind = f"SELECT pg_last_wal_replay_lsn() < '{end}'"
        for standby in standbys:
            self.pipeline.move_to(standby)
            self.pipeline.consumer.wait_until(
                lambda: not self.execute(behind).fetchone()[0], "waits for a standby"
            )

    def test_f76_rolled_back_on_the_same_timeline(self):
        """An older copy of the files goes on under the same identifier and timeline, and uses the
        numbers, ids and transactions of events that are on the topic."""
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
        """Transactions there have lower numbers than the dump's rows and cursor."""
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
        self.refused("yet to begin")
        self.execute("""DELETE FROM "BitdexOps"
            WHERE txid >= pg_snapshot_xmax(pg_current_snapshot())""")
        self.refused("another database cluster")
        self.adopt(epoch=2)


if __name__ == "__main__":
    unittest.main()
