"""The whole path on real servers: from tables through the outbox and the topic to the index."""

import shutil
import unittest

import gallery
import groups
import index
import topic
from case import GalleryCase


class MainPath(GalleryCase):
    def test_f01_f02_f03_many_writers(self):
        """With 16 writers that hold transactions open, roll back and use savepoints, no row is
        lost, duplicated or reordered, and none waits for a transaction that stays open."""
        self.create_gallery(images=100)
        with self.pipeline.connect() as holder:
            holder.execute("""INSERT INTO "Image" (url, "userId") VALUES ('held', 1)""")
            with self.writers(threads=16, pause_s=0.05) as writers:
                self.pipeline.producer.wait_until(
                    lambda: writers.committed > 300, "has no writers beside it")
            self.pipeline.wait_until_fresh()
            with self.pipeline.connect() as connection:
                backlog = topic.read(self.pipeline.kafka, self.pipeline.topic)
                topic.check_delivery(connection, backlog)
            holder.commit()
        self.check_end()

    def test_f55_stock_client_checks_marks(self):
        """A stock client finds a fence at the beginning of every partition; every mark carries the
        last seq and the digests of the row ids and of the content before it, its clock never moves
        back, and it names the fields that the triggers cover and the start of the producer."""
        self.create_gallery(images=100)
        self.write_some()
        events, _ = self.check_end()
        for records in events.values():
            self.assertEqual(records[0][2]["body"][1]["kind"], "FENCE")
            self.assertTrue(records[0][2]["body"][1]["source_empty"])
            digest, seq, clock, marks = topic.DIGEST_START, 0, 0, 0
            content = topic.DIGEST_START
            for _, _, event in records:
                kind, fields = event["body"]
                if kind in topic.LOADED:
                    self.assertEqual(event["seq"], seq)  # an answer takes no seq of its own
                    continue
                if kind != "bitdex.Mark":
                    digest = topic.digest_next(digest, fields["row_id"])
                    content = topic.content_next(content, event)
                    seq = event["seq"]
                    continue
                self.assertEqual(event["seq"], seq)
                self.assertEqual(fields["digest"] % (1 << 64), digest)
                self.assertEqual(fields["content_digest"] % (1 << 64), content)
                self.assertRegex(fields["start_name"], "^[0-9a-f]{16}$")
                self.assertLess({"", "nsfwLevel", "tagIds", "availability"}, set(fields["fields"]))
                self.assertGreaterEqual(fields["clock"].timestamp(), clock)
                self.assertEqual(fields["partitions"], len(events))
                clock, marks = fields["clock"].timestamp(), marks + 1
            self.assertGreater(marks, 2)

    def test_l8_empty_directory_is_rebuilt(self):
        """A consumer that starts again with an empty data directory builds an equal index from the
        topic."""
        self.create_gallery(images=100)
        self.write_some()
        self.check_end()
        self.pipeline.consumer.stop()
        groups.Group(self.pipeline).wait_until_left()  # what follows is another member
        shutil.rmtree(self.pipeline.variables["BITDEX_DATA_DIR"])
        self.pipeline.consumer.start()
        self.check_end()

    def test_restart_continues_from_the_log(self):
        """A restarted consumer serves its old state before it reads anything from the topic."""
        self.create_gallery(images=100)
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
        """Rows that are older than the triggers are not in the index, so answers are incomplete and
        the consumer is healthy but not ready."""
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
        status, answer = self.pipeline.api.call("/api/ready")
        self.assertEqual(status, 503)
        for partition in answer["partitions"]:
            self.assertIn("bitdex-producer load", partition["reason"])
        self.assertEqual(answer["incomplete_fields"][0]["field"], "alive")
        shown = self.pipeline.consumer.command("status").stdout
        self.assertRegex(shown, r"incomplete field alive, partition 0, 1, 2, 3:\n +the source had")
        status, _ = self.pipeline.api.call("/api/health")
        self.assertEqual(status, 200)


if __name__ == "__main__":
    unittest.main()
