"""Resets of a group's offsets with kafka-consumer-groups, and topics that lose their beginning: a
replay is built beside the state that serves, and what is missing is reported."""

import random
import time
import unittest

import groups
import index
import pipeline
import servers
import topic
from case import SEED, GalleryCase


class Resets(GalleryCase):
    # A frame for each event: a replay takes a while.
    sections = {"consumer": {"batch_rows": 1}}

    def setUp(self):
        super().setUp()
        self.consumer = self.pipeline.consumer
        self.group = groups.Group(self.pipeline)

    def reset(self, *where):
        self.group.reset(self.kafka, *where)

    def committed(self):
        """{partition: the group's committed offset}"""
        return {partition: offset for partition, (offset, _) in self.group.committed().items()}

    # Programs

    def log_count(self, text):
        """How many times the text is in the log, which all members share."""
        return self.consumer.log.read_text().count(text)

    def wait_for_log(self, text, count):
        """Waits until the text is in the log so many times. A partition is shown as running before
        it has learned of a reset."""
        self.consumer.wait_until(lambda: self.log_count(text) >= count, f"does not log: {text}")
        self.assertEqual(self.log_count(text), count)

    def states(self):
        return {partition["state"] for partition in self.pipeline.partitions()}

    def is_rebuilt(self, before):
        """Whether all partitions serve what was rebuilt. Until then every answer is complete, and
        has the images of before."""
        reply = self.pipeline.query({"filters": [], "limit": 1})
        if not reply["missing_partitions"]:
            self.assertEqual((reply["complete"], reply["total_matched"]), (True, before))
        return self.log_count("the rebuilt replica is served") == 4

    def fill(self, changes=5):
        self.create_gallery(150)
        self.change_images(changes)
        self.pipeline.wait_until_fresh()

    def send_more(self):
        """Updates every image while the consumer is stopped; returns when that is on the topic."""
        before = self.ends()
        self.change_images(5)
        self.pipeline.producer.wait_until(
            lambda: all(end >= before[p] + 100 for p, end in self.ends().items()), "does not send"
        )

    def ends(self):
        return topic.read_ends(self.pipeline.kafka, self.pipeline.topic)

    def count(self):
        return self.pipeline.query({"filters": [], "limit": 1})["total_matched"]

    def test_f66_back_is_a_replay_beside_the_old_state(self):
        """After a reset to the earliest offset the old state serves, complete, until the rebuilt
        one has caught up; the result equals Postgres, and the reset is followed only once."""
        self.fill(changes=10)
        before = self.count()
        self.consumer.stop()
        self.reset("--to-earliest")
        self.consumer.start()
        self.pipeline.wait_until_recovered()
        self.consumer.wait_until(lambda: self.is_rebuilt(before), "does not rebuild")
        self.check_end()
        self.assertEqual(self.log_count("was reset to an earlier one"), 4)
        self.consumer.wait_until(lambda: self.states() == {"running"}, "rebuilds for ever")
        home = self.pipeline.directory / "index"
        self.consumer.wait_until(lambda: not list(home.glob("*/wal.*")), "keeps a replaced log")
        self.consumer.stop()
        self.consumer.start()
        self.check_end()
        self.assertEqual(self.log_count("was reset to an earlier one"), 4)

    def test_f39_f66_kills_during_a_replay(self):
        """A consumer that is killed repeatedly during a rebuild continues it at each start, and
        serves the old state from the start on."""
        rng = random.Random(SEED)
        self.fill()
        before = self.count()
        self.consumer.stop()
        self.reset("--to-earliest")
        for number in range(6):
            self.consumer.start()
            self.pipeline.wait_until_recovered()
            self.assertGreaterEqual(self.count(), before)
            if number == 0:  # killed before it has acknowledged a reset, it would follow it again
                self.consumer.wait_until(self.has_acknowledged, "acknowledges no reset")
            time.sleep(rng.random())
            self.consumer.kill()
        self.assertEqual(self.log_count("was reset to an earlier one"), 4)
        self.consumer.start()
        with self.writers(2):
            time.sleep(1)
        self.check_end()

    def has_acknowledged(self):
        return all(identity is not None for _, identity in self.group.committed().values())

    def test_f66_ahead_is_a_reported_gap(self):
        """After a reset to the latest offset the state stays, what was skipped is reported, and a
        reset to the earliest offset makes the index complete again."""
        self.fill(changes=0)
        self.consumer.stop()
        self.send_more()
        held = self.committed()
        self.reset("--to-latest")
        self.consumer.start()
        self.pipeline.wait_until_fresh()
        for partition in self.pipeline.partitions():
            self.assertFalse(partition["complete"])
            self.assertRegex(
                partition["reason"], "skipped the messages at offsets [0-9]+ to [0-9]+: "
            )
            self.assertGreater(partition["missing"], 0)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        self.assertFalse(self.pipeline.query({"filters": [], "limit": 1})["complete"])
        for partition, offset in self.committed().items():
            self.assertGreater(offset, held[partition])
        self.consumer.stop()
        self.reset("--to-earliest")
        self.consumer.start()
        self.check_end()

    def test_l2_on_gap_stop(self):
        """With `on_gap: stop` a partition stops before the first event after a gap and reports the
        missing seqs, also after a restart, until the setting is `continue`."""
        self.configure(on_gap="stop")
        self.fill(changes=0)
        self.consumer.stop()
        self.send_more()
        self.reset("--to-latest")
        self.change_images()
        for _ in range(2):
            self.consumer.start()
            self.consumer.wait_until(lambda: self.states() == {"stalled"}, "does not stop")
            for partition in self.pipeline.partitions():
                self.assertRegex(partition["reason"], "never came.*consumer.on_gap")
                self.assertEqual((partition["complete"], partition["missing"]), (False, 0))
            self.assertFalse(self.pipeline.query({"filters": [], "limit": 1})["complete"])
            self.consumer.stop()
        self.configure(on_gap="continue")
        self.consumer.start()
        self.pipeline.wait_until_fresh()
        self.assertTrue(all(p["missing"] > 0 for p in self.pipeline.partitions()))

    def configure(self, **settings):
        sections = {"consumer": self.sections["consumer"] | settings}
        pipeline.write_config(self.pipeline.config, self.choose_sections() | sections)

    def test_f81_expired_offsets_are_no_reset(self):
        """When the group's offsets have expired, its member continues from its own position."""
        self.fill(changes=0)
        self.consumer.stop()
        self.group.forget_offsets()
        self.assertEqual(set(self.committed().values()), {-1001})
        self.change_images()
        self.consumer.start()
        self.check_end()
        self.assertEqual(self.log_count("a rebuild begins"), 0)
        self.assertEqual(self.log_count("skipped"), 0)

    def other_member(self):
        (port,) = servers.free_ports(1)
        other = self.pipeline.program(
            "bitdex-consumer",
            port,
            BITDEX_DATA_DIR=str(self.pipeline.directory / "other"),
            BITDEX_CONSUMER_PORT=str(port),
        )
        self.addCleanup(other.kill)
        return other

    def wait_until_running(self, member, partitions):
        """Waits until the member owns that many partitions and has read all of each."""

        def is_running():
            owned = member.api.get("/api/internal/sync-lag")["partitions"]
            done = [p for p in owned if p["state"] == "running" and p["lag_rows"] == 0]
            return len(owned) == len(done) == partitions

        member.wait_until(is_running, f"has not got {partitions}")

    def test_f81_another_member_learns_of_a_reset(self):
        """Two members have owned all partitions. The offsets are reset while both are down, and one
        of them follows the reset. When the other one gets its half, its state is older than the
        reset and is rebuilt."""
        self.fill(changes=1)
        self.consumer.stop()
        self.group.wait_until_left()
        other = self.other_member().start()
        self.wait_until_running(other, 4)
        other.stop()
        self.reset("--to-earliest")
        self.consumer.start()
        self.wait_for_log("was reset to an earlier one", 4)
        self.wait_until_running(self.consumer, 4)
        other.start()
        self.wait_until_running(other, 2)
        self.wait_for_log("its replica is older than a reset", 2)
        self.wait_until_running(other, 2)
        other.stop()
        identity = (self.pipeline.directory / "other" / "id").read_text()
        groups.remove_member(self.pipeline.kafka, self.group.name, identity)
        self.wait_until_running(self.consumer, 4)
        self.check_end()
        self.assertEqual(self.log_count("was reset to an earlier one"), 4)

    def load(self):
        """A load makes all partitions complete, and the index equal to the tables."""
        self.pipeline.producer.command("load")
        self.pipeline.wait_until_fresh()
        for partition in self.pipeline.partitions():
            self.assertEqual((partition["complete"], partition["reason"]), (True, ""))
        index.check_equal(self.pipeline)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 200)

    def test_f46_f77_retention_was_faster(self):
        """When retention has removed the next offset, the partition stalls and says what to do
        instead of jumping; after a reset it continues with a reported gap. A load makes it complete
        again, and likewise a consumer that begins where the topic has lost its beginning."""
        self.fill(changes=0)
        self.consumer.stop()
        self.send_more()
        self.pipeline.producer.stop()
        before = self.committed()
        self.group.remove_records({partition: offset + 50 for partition, offset in before.items()})
        self.consumer.start()
        self.consumer.wait_until(lambda: self.states() == {"stalled"}, "does not stall")
        for partition in self.pipeline.partitions():
            self.assertFalse(partition["complete"])
            self.assertIn("is not in the topic any more", partition["error"])
            self.assertEqual(partition["offset"], before[partition["partition"]])
        self.assertGreater(self.count(), 0)
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        self.assertEqual(self.pipeline.api.call("/api/health")[0], 200)
        self.consumer.stop()
        self.reset("--to-earliest")
        self.pipeline.producer.start()
        self.consumer.start()
        self.pipeline.wait_until_fresh()
        for partition in self.pipeline.partitions():
            self.assertRegex(partition["reason"], "has skipped the messages .*-producer load$")
        self.load()
        for partition in self.pipeline.partitions():
            self.assertGreater(partition["missing"], 0)
        self.consumer.stop()
        self.group.wait_until_left()  # what follows is another member
        self.pipeline.remove_index()
        self.group.remove_records(self.ends())
        self.consumer.start()
        self.pipeline.wait_until_fresh()
        for partition in self.pipeline.partitions():
            self.assertEqual(
                partition["reason"], "the beginning of the topic is missing: bitdex-producer load"
            )
        self.assertEqual(self.pipeline.api.call("/api/ready")[0], 503)
        self.load()

    def test_f66_topic_was_created_again(self):
        """When the topic was deleted and created again, the consumer reports it, and a reset builds
        the index from the new topic, where the load that the adoption has queued completes it."""
        self.fill(changes=0)
        self.consumer.stop()
        self.pipeline.producer.stop()
        topic.delete(self.pipeline.kafka, self.pipeline.topic)
        self.pipeline.init()
        self.pipeline.producer.command("cursor", "adopt")
        self.pipeline.producer.start()
        self.change_images()
        self.consumer.start()
        self.consumer.wait_until(
            lambda: [p["complete"] for p in self.pipeline.partitions()] == [False] * 4,
            "takes the new topic for the old one",
        )
        self.consumer.stop()
        self.reset("--to-earliest")
        self.consumer.start()
        self.consumer.wait_until(
            lambda: self.log_count("was reset to an earlier one") == 4, "does not see the reset")
        self.consumer.wait_until(
            lambda: [p["complete"] for p in self.pipeline.partitions()] == [True] * 4,
            "is not completed by the load that the adoption has queued",
        )
        self.pipeline.wait_until_fresh()
        index.check_equal(self.pipeline)

    def test_f102_the_last_message_shows_the_topic(self):
        """A start reads the last message again. It may be gone, which is no reason to stop; in a
        topic that was made again and has grown past it, it is another one, and the shard is
        incomplete for that reason from the first message on."""
        self.fill(changes=0)
        self.consumer.stop()
        self.group.remove_records(self.committed())
        self.consumer.start()
        self.change_images()
        self.pipeline.wait_until_fresh()
        index.check_equal(self.pipeline)
        self.assertEqual({p["complete"] for p in self.pipeline.partitions()}, {True})
        self.consumer.stop()
        self.pipeline.producer.stop()
        held = self.committed()
        topic.delete(self.pipeline.kafka, self.pipeline.topic)
        self.pipeline.init()
        self.pipeline.producer.command("cursor", "adopt")
        self.pipeline.producer.start()
        self.pipeline.producer.wait_until(self.grow_past(held), "does not send")
        self.consumer.start()
        self.consumer.wait_until(
            lambda: [p["reason"] for p in self.pipeline.partitions()]
            == ["the topic was created again: events may be lost: bitdex-producer load"] * 4,
            "takes the new topic for the old one",
        )
        self.assertEqual(self.log_count("another message than the one that was read"), 4)
        self.pipeline.producer.command("load")  # that of the adoption, whose begin was not read
        self.load()

    def grow_past(self, offsets):
        def has_grown():
            self.change_images()
            ends = self.ends()
            return all(ends[p] > offset + 1 for p, offset in offsets.items())

        return has_grown


if __name__ == "__main__":
    unittest.main()
