"""The main job on real servers: table, ops, topic, index."""

import shutil
import time
import unittest

import gallery
import index
import topic
from case import SECONDS, GalleryCase


class MainPath(GalleryCase):
    def test_f01_f02_f03_many_writers(self):
        """Holds, rollbacks, savepoints, and one transaction open all the while: nothing is lost,
        doubled or reordered, and nothing waits for the open transaction."""
        self.create_gallery()
        with self.pipeline.connect() as holder:
            holder.execute("""INSERT INTO "Image" (url, "userId") VALUES ('held', 1)""")
            with self.writers(threads=16) as writers:
                time.sleep(SECONDS)
            self.pipeline.wait_until_fresh()
            with self.pipeline.connect() as connection:
                backlog = topic.read(self.pipeline.kafka, self.pipeline.topic)
                topic.check_delivery(connection, backlog)
            holder.commit()
        self.assertGreater(writers.committed, 20)
        self.check_end()

    def test_f55_stock_client_checks_marks(self):
        """Every partition begins with a fence; marks stand at the last seq with the digest of the
        row ids before them, and the watermarks of a partition never go back."""
        self.create_gallery()
        with self.writers():
            time.sleep(1)
        events, _ = self.check_end()
        for records in events.values():
            self.assertEqual(records[0][2]["body"][1]["kind"], "FENCE")
            self.assertTrue(records[0][2]["body"][1]["source_empty"])
            digest, seq, clock, marks = topic.DIGEST_START, 0, 0, 0
            for _, _, event in records:
                kind, fields = event["body"]
                if kind != "bitdex.Mark":
                    digest = topic.digest_next(digest, fields["row_id"])
                    seq = event["seq"]
                    continue
                self.assertEqual(event["seq"], seq)
                self.assertEqual(fields["digest"] % (1 << 64), digest)
                self.assertGreaterEqual(fields["clock"].timestamp(), clock)
                self.assertEqual(fields["partitions"], len(events))
                clock, marks = fields["clock"].timestamp(), marks + 1
            self.assertGreater(marks, 2)

    def test_l8_empty_directory_is_rebuilt(self):
        """Replaying the topic into an empty data directory gives an equal index, beside a second
        group that has one of its own."""
        self.create_gallery()
        with self.writers():
            time.sleep(1)
        self.check_end()
        self.pipeline.consumer.stop()
        shutil.rmtree(self.pipeline.variables["BITDEX_DATA_DIR"])
        self.pipeline.consumer.start()
        self.check_end()

    def test_restart_continues_from_the_log(self):
        """A restarted consumer serves what it had before it has read anything from the topic."""
        self.create_gallery()
        self.check_end(changed=False)
        consumer = self.pipeline.consumer
        self.assertEqual(consumer.stop(), 0)
        self.assertEqual(self.pipeline.producer.stop(), 0)
        consumer.start()
        consumer.wait_until(
            lambda: [p["state"] for p in self.pipeline.partitions()] == 4 * ["running"],
            "has not recovered",
        )
        self.assertGreater(index.check_equal(self.pipeline), 0)

    def test_f77_existing_rows_are_incomplete(self):
        """Rows that were there before the triggers are not in the index, and everything says so."""
        self.pipeline.init()
        with self.pipeline.connect() as connection:
            gallery.create_tables(connection)
            connection.execute("""INSERT INTO "Image" (url, "userId") VALUES ('old', 1)""")
        gallery.create_triggers(self.pipeline)
        self.pipeline.start()
        with self.pipeline.connect() as connection:
            connection.execute("""INSERT INTO "Image" (url, "userId") VALUES ('new', 2)""")
        self.pipeline.wait_until_fresh()
        reply = self.pipeline.query({"filters": [{"Eq": ["userId", {"Integer": 2}]}]})
        self.assertEqual(reply["ids"], [2])
        self.assertFalse(reply["complete"])
        status, _ = self.pipeline.api.call("/api/ready")
        self.assertEqual(status, 503)
        status, _ = self.pipeline.api.call("/api/health")
        self.assertEqual(status, 200)


if __name__ == "__main__":
    unittest.main()
