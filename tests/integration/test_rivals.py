"""Two producers on two databases of one history write to one topic (L3, F101)."""

import signal
import time
import unittest

import index
import servers
import topic
from case import GalleryCase
from psycopg.conninfo import make_conninfo


class Rivals(GalleryCase):
    own_servers = ("postgres",)  # a small one, which is copied
    def setUp(self):
        super().setUp()
        self.create_gallery(images=50)
        self.pipeline.wait_until_fresh()

    def is_quiet(self):
        """The position after the last row is saved: an idle producer saves it once."""
        with self.pipeline.connect() as connection:
            (quiet,) = connection.execute("""SELECT s1::text = s2::text FROM bitdex_windows
                ORDER BY tick DESC, sub_id DESC LIMIT 1""").fetchone()
        return quiet

    def copy(self):
        """A copy of the database, and a producer on it that is not started."""
        self.pipeline.producer.wait_until(self.is_quiet, "saves no idle position")
        copy = servers.Postgres(self.pipeline.directory / "copy", copy_of=self.postgres)
        self.addCleanup(copy.remove)
        copy.start()
        rival = self.spare_producer()
        rival.log = self.pipeline.directory / "rival.log"
        rival.set_variable("BITDEX_POSTGRES", make_conninfo(copy.dsn, dbname=self.pipeline.name))
        return rival

    def reasons(self):
        return [partition["reason"] for partition in self.pipeline.partitions()]

    def test_f101_a_copy_is_refused_while_the_original_runs(self):
        """The copy's producer meets marks of the original, or a window that the original has saved
        meanwhile, and ends before it fences that one off."""
        rival = self.copy()
        starts = self.names_of_starts()
        rival.start(wait=False)
        self.assertEqual(rival.wait(), 1)
        self.assertRegex(rival.log_tail(), "this database is a copy of the one that it uses"
                         "|a second producer of this name runs on a copy of it")
        self.assertTrue(self.pipeline.producer.is_running())
        self.change_images()
        self.check_end(changed=False)
        self.assertEqual(self.names_of_starts(), starts)

    def test_f101_a_copy_of_a_quiet_database(self):
        """The database is copied while it is quiet, and the copy's producer is started with the
        same configuration; the original is suspended meanwhile. It ends within seconds, with exit
        code 1, and names the rival and the way out; the consumers say incomplete with that reason;
        and the way out leads to an index that is complete and equal to the original."""
        producer = self.pipeline.producer
        producer.wait_until(self.is_quiet, "saves no idle position")
        producer.signal(signal.SIGSTOP)
        rival = self.copy()
        rival.start()
        rival.wait_until_state("draining")
        producer.signal(signal.SIGCONT)
        begun = time.monotonic()
        self.assertEqual(producer.wait(), 1)
        print(f"the original has ended after {time.monotonic() - begun:.1f} s", flush=True)
        said = producer.log_tail()
        self.assertIn("from a copy of this database", said)
        self.assertIn("cursor adopt", said)
        marks = self.names_of_starts()
        self.assertIn(f"start {marks[-1]}, writes to topic", said)
        self.pipeline.consumer.wait_until(
            lambda: all("a second producer of this name" in reason for reason in self.reasons()),
            "does not say that there are two producers",
        )
        refused = producer.command("run", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("the topic is ahead of the cursor", refused.stderr)

        rival.stop()
        producer.command("cursor", "adopt")
        producer.start()
        self.change_images()
        self.pipeline.consumer.wait_until(
            lambda: all(partition["complete"] for partition in self.pipeline.partitions()),
            "is not complete after the load",
        )
        self.pipeline.wait_until_fresh()
        self.assertGreater(index.check_equal(self.pipeline), 0)

    def names_of_starts(self):
        events = topic.read(self.pipeline.kafka, self.pipeline.topic)
        return [
            event["body"][1]["start_name"]
            for _, _, event in events[0]
            if event["body"][0] == "bitdex.Mark" and event["body"][1]["kind"] == "FENCE"
        ]


if __name__ == "__main__":
    unittest.main()
